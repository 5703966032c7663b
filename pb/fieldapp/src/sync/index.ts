export * from './contract'
export { openSession } from './session'
export { browserEnv, type Env } from './env'
