import { showToast } from 'vant'
import 'vant/es/toast/style'
import { ref, type Ref } from 'vue'

/**
 * Runs one piece of work at a time: a second touch while the first is under way does nothing. What goes wrong (storage full …)
 * is told in its own sentence. `busy` names the work under way, '' when there is none.
 */
export function useOnce(): { busy: Ref<string>; once: (name: string, work: () => Promise<unknown>) => Promise<void> } {
  const busy = ref('')
  async function once(name: string, work: () => Promise<unknown>) {
    if (busy.value) return
    busy.value = name
    try {
      await work()
    } catch (e) {
      showToast(e instanceof Error && /[一-龥]/.test(e.message) ? e.message : '没有保存成功，请再试一次')
    } finally {
      busy.value = ''
    }
  }
  return { busy, once }
}
