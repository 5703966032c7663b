import { onScopeDispose, reactive, ref, shallowRef, watch, type Ref } from 'vue'
import type { Capture, Client, Draft, Fields, NewPicture } from '@/sync'

export interface Drafting {
  /** False until an earlier draft was looked for. */
  ready: Ref<boolean>
  /** Also the id of the record it becomes: a second capture of the same form is the same record. */
  id: Ref<string>
  data: Fields
  pictures: Ref<NewPicture[]>
  /** When the work of an earlier draft was last saved; '' for a fresh form. */
  resumed: Ref<string>
  /** Why the draft could not be saved, for people. */
  fault: Ref<string>
  /** Captures and removes the draft in one step. A second call while one runs returns undefined and does nothing. */
  capture(work: (data: Fields, pictures: NewPicture[]) => Capture[]): Promise<string[] | undefined>
  /** True from the first capture on; a button that captures is dead while it is. */
  capturing: Ref<boolean>
  discard(): Promise<void>
}

/**
 * A form whose every change is saved as a draft and found again by form and subject.
 * @param fresh the fields of a new form; they alone are not worth a draft
 */
export function useDraft(client: Client, form: string, subject: string, title: () => string, fresh: () => Fields | Promise<Fields>, wanted?: string): Drafting {
  const ready = ref(false), capturing = ref(false), resumed = ref(''), fault = ref('')
  const id = ref('')
  const data = reactive<Fields>({})
  const pictures = shallowRef<NewPicture[]>([])
  let closed = false, dirty = false
  let writing: Promise<void> | undefined

  async function write() {
    // One write at a time; what changed meanwhile goes with the next one.
    while (dirty && !closed) {
      dirty = false
      try {
        await client.saveDraft({ id: id.value, form, subject, title: title(), data: JSON.parse(JSON.stringify(data)), pictures: pictures.value })
        fault.value = ''
      } catch {
        fault.value = '草稿没有存下，手机空间可能不足，请先上报或清理空间'
      }
    }
    writing = undefined
  }
  function touch() {
    if (!ready.value || closed) return
    dirty = true
    writing ??= write()
  }
  watch(data, touch)
  watch(pictures, touch)
  let alive = true
  onScopeDispose(() => { alive = false })

  void (async () => {
    const all = await client.drafts(form, subject)
    const held: Draft | undefined = (wanted ? all.find(d => d.id === wanted) : undefined) ?? [...all].sort((a, b) => b.saved_at.localeCompare(a.saved_at))[0]
    if (held) {
      id.value = held.id
      resumed.value = held.saved_at
      pictures.value = held.pictures
      Object.assign(data, held.data)
    } else {
      id.value = client.newId()
      Object.assign(data, await fresh())
    }
    if (!alive) return
    await Promise.resolve() // the watchers have seen the beginning
    ready.value = true
  })()

  return {
    ready, id, data, pictures, resumed, fault, capturing,
    async capture(work) {
      if (capturing.value) return undefined
      capturing.value = true
      closed = true // no late save may bring the draft back
      try {
        await writing
        return await client.capture(work(JSON.parse(JSON.stringify(data)), pictures.value), id.value)
      } catch (e) {
        closed = false
        capturing.value = false
        touch()
        throw e
      }
    },
    async discard() {
      closed = true
      await writing
      await client.dropDraft(id.value)
    },
  }
}
