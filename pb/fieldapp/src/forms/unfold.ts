import type { Form, FormField } from './generated'

const words = (text = '') => text.split(' ').filter(Boolean)

/** The forms as generated.ts writes them: one line a form, one line a field, columns between |, empty ones at the end left out. */
export function unfold(text: string): Record<string, Form> {
  return Object.fromEntries(text.split('\n#').slice(1).map(part => {
    const [head, ...rows] = part.split('\n')
    const [collection, label, roles] = head!.split('|') as [string, string, string]
    const writers = words(roles)
    return [collection, { collection, label, writers, fields: rows.map(row => fieldOf(row.split('|'), writers)) }]
  }))
}

function fieldOf([name, label, kind, marks = '', min, max, to, fill, roles, shown, options, help]: string[], writers: string[]): FormField {
  const [field, ...values] = words(shown)
  return {
    name: name!, label: label!, kind: kind as FormField['kind'], required: marks.includes('!'), whole: marks.includes('#'), fixed: marks.includes('='), attachment: marks.includes('@'),
    writers: roles ? roles.split(' ').filter(r => r !== '-') : writers, to: to || undefined, help: help || undefined, fill: fill as FormField['fill'] || undefined,
    min: min ? Number(min) : undefined, max: max ? Number(max) : undefined, showIf: field ? { field, in: values } : undefined,
    options: options ? options.split(';').map(o => [o.slice(0, o.indexOf(' ')), o.slice(o.indexOf(' ') + 1)] as const) : undefined,
  }
}
