// What an answer must look like. Fields that a shape does not name are let through: a newer server must not stop an older phone.

export type Shape<T> = (x: any) => x is T
/** What holds a shape is of this type. */
export type Of<S> = S extends Shape<infer T> ? T : never

export const text: Shape<string> = (x): x is string => typeof x === 'string'
export const filled: Shape<string> = (x): x is string => typeof x === 'string' && x !== ''
export const count: Shape<number> = (x): x is number => Number.isInteger(x)
export const flag: Shape<boolean> = (x): x is boolean => typeof x === 'boolean'
export const anything: Shape<any> = (x): x is any => true

export const maybe = <T>(of: Shape<T>): Shape<T | null | undefined> => (x): x is T | null | undefined => x === null || x === undefined || of(x)
export const list = <T>(of: Shape<T>): Shape<T[]> => (x): x is T[] => Array.isArray(x) && x.every(of)
const whole = (x: any) => typeof x === 'object' && x !== null && !Array.isArray(x)
export const table = <T>(of: Shape<T>): Shape<Record<string, T>> => (x): x is Record<string, T> => whole(x) && Object.values(x).every(of)
export const word = <W extends string>(...words: W[]): Shape<W> => (x): x is W => words.includes(x)
type Optional<S> = { [K in keyof S]: undefined extends Of<S[K]> ? K : never }[keyof S]
type Fields<S> = { [K in Exclude<keyof S, Optional<S>>]: Of<S[K]> } & { [K in Optional<S>]?: Of<S[K]> }
export const object = <S extends Record<string, Shape<any>>>(of: S): Shape<Fields<S>> =>
  (x): x is Fields<S> => whole(x) && Object.entries(of).every(([name, shape]) => shape(x[name]))
export const either = <A, B>(a: Shape<A>, b: Shape<B>): Shape<A | B> => (x): x is A | B => a(x) || b(x)
