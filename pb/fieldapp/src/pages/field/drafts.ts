import type { Draft } from '@/sync'

/** Where an unfinished form is taken up again. */
export function draftLink(d: Draft): string {
  if (d.form === 'visit') return `/enterprises/${d.subject}/visit`
  if (d.form === 'enterprise') return '/enterprises/new'
  if (d.form === 'edit') return `/enterprises/${d.subject}/edit`
  const [kind, collection, step] = d.form.split(':')
  if (kind === 'step') return `/registers/${collection}/${d.subject}?step=${step}`
  if (d.form === 'loan:edit') return '/loans'
  if (kind === 'action' || kind === 'loan') return `/demands/${d.subject.split('/')[0]}`
  if (kind === 'new' && collection) return `/registers/${collection}/new${d.subject ? `?${d.subject}` : ''}`
  if (kind === 'edit' && collection) return `/registers/${collection}/${d.subject}/edit`
  return d.subject ? `/demand-form?enterprise=${d.subject}` : '/demand-form'
}
