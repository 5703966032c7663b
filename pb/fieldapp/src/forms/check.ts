import type { FieldError, Fields } from '@/sync'
import { factFault } from './facts'
import type { Form, FormField } from './generated'

const empty = (v: unknown) => v === undefined || v === null || v === '' || v === 0 || (Array.isArray(v) && v.length === 0)

function asked(f: FormField, values: Fields): boolean {
  if (!f.showIf) return true
  const v = values[f.showIf.field]
  return (Array.isArray(v) ? v : [v]).some(x => f.showIf!.in.includes(x))
}

/** What a field without a value is sent as. */
export function emptyOf(form: Form, field: string): unknown {
  const kind = form.fields.find(f => f.name === field)?.kind
  return kind === 'number' ? 0 : kind === 'bool' ? false : kind === 'many' || kind === 'relations' ? [] : ''
}

/** The fields to show, in the order of `only`: those the role may write and whose condition holds. */
export function shownFields(form: Form, values: Fields, only: readonly string[], role: string): FormField[] {
  return only.flatMap(name => form.fields.find(f => f.name === name) ?? [])
    .filter(f => !f.attachment && f.writers.includes(role) && asked(f, values))
}

/** The values without those of fields whose condition does not hold: what is not asked is not sent. */
export function sendable(form: Form, values: Fields): Fields {
  const out: Fields = { ...values }
  for (const f of form.fields) if (!asked(f, out)) delete out[f.name]
  return out
}

/**
 * What is wrong with the values, by field, in words; empty when all is well. The server judges the same limits again.
 * @param required names asked beyond those the form itself demands
 */
export function check(form: Form, values: Fields, only: readonly string[], role: string, required: readonly string[] = []): Record<string, FieldError> {
  const errors: Record<string, FieldError> = {}
  for (const f of shownFields(form, values, only, role)) {
    const v = values[f.name]
    const choose = f.kind === 'one' || f.kind === 'many' || f.kind === 'relation' || f.kind === 'relations' || f.kind === 'date'
    if (empty(v)) {
      if (f.required || required.includes(f.name)) errors[f.name] = { code: 'required', message: `请${choose ? '选择' : '填写'}${f.label.replace(/（.*）/, '')}` }
      continue
    }
    if (f.kind === 'number') {
      if (!Number.isFinite(v)) errors[f.name] = { code: 'wrong_type', message: '请填写数字' }
      else if (f.whole && !Number.isInteger(v)) errors[f.name] = { code: 'not_whole', message: '请填写整数' }
      else if (f.min !== undefined && v < f.min) errors[f.name] = { code: 'too_small', message: `不能小于 ${f.min}` }
      else if (f.max !== undefined && v > f.max) errors[f.name] = { code: 'too_big', message: `不能大于 ${f.max}` }
    } else if (f.max !== undefined && (typeof v === 'string' ? [...v].length : Array.isArray(v) ? v.length : 0) > f.max) {
      errors[f.name] = { code: 'too_long', message: Array.isArray(v) ? `最多选 ${f.max} 项` : `最多 ${f.max} 个字` }
    } else {
      const fault = factFault(form.collection, f.name, v)
      if (fault) errors[f.name] = fault
    }
  }
  return errors
}
