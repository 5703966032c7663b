import type { RecordView } from '@/sync'

/** What is searched of one enterprise, made once: name, pinyin initials, credit code and phone. */
export const searchText = (e: RecordView): string =>
  `${e.fields.name ?? ''}\n${e.fields.initials ?? ''}\n${e.fields.uscc ?? ''}\n${e.fields.phone ?? ''}`.toLowerCase()

/** The enterprises that lists and searches offer: one that was merged into another is found under that one's name. */
export const offered = (enterprises: readonly RecordView[]): RecordView[] => enterprises.filter(e => e.fields.status !== 'duplicate')

/**
 * The enterprises whose name, initials, credit code or phone hold all the words typed; names that begin with the word come first.
 * @param index searchText by enterprise id
 */
export function search(enterprises: readonly RecordView[], index: ReadonlyMap<string, string>, typed: string): RecordView[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return [...enterprises]
  const found = enterprises.filter(e => words.every(w => index.get(e.id)!.includes(w)))
  const score = (e: RecordView) => index.get(e.id)!.split('\n').some(line => line.startsWith(words[0])) ? 0 : 1
  return found.map(e => ({ e, s: score(e) })).sort((a, b) => a.s - b.s).map(x => x.e)
}
