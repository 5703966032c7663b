import { onScopeDispose, ref, shallowRef, type Ref } from 'vue'
import type { Point } from './geo'

export interface Fix extends Point { accuracy: number; at: number }

/** Where this phone was last seen to be; only for distances on lists. */
export const here = shallowRef<Fix>()

const faults: Record<number, string> = {
  1: '没有定位权限，请在手机设置里允许',
  2: '收不到定位信号，走到门口或窗边再试',
  3: '定位超时，走到门口或窗边再试',
}

/**
 * Seeks this phone's place in the background; nothing waits for it.
 * @param best the first fix to improve on, e.g. from a draft
 * @returns `seek` starts anew and keeps the sharper fixes that follow for half a minute
 */
export function usePosition(best?: Fix): { fix: Ref<Fix | undefined>; seeking: Ref<boolean>; fault: Ref<string>; seek: () => void } {
  const fix = shallowRef(best)
  const seeking = ref(false)
  const fault = ref('')
  let watching = -1
  let timer: ReturnType<typeof setTimeout> | undefined
  function stop() {
    if (watching >= 0) navigator.geolocation.clearWatch(watching)
    watching = -1
    clearTimeout(timer)
    seeking.value = false
  }
  function seek() {
    if (!navigator.geolocation) { fault.value = '这台手机或浏览器不能定位'; return }
    stop()
    fault.value = ''
    seeking.value = true
    let first = true
    watching = navigator.geolocation.watchPosition(p => {
      const next: Fix = { lon: p.coords.longitude, lat: p.coords.latitude, accuracy: Math.round(p.coords.accuracy), at: p.timestamp }
      here.value = next
      if (first || !fix.value || next.accuracy <= fix.value.accuracy) fix.value = next
      first = false
      fault.value = ''
      if (next.accuracy <= 20) stop()
    }, e => {
      fault.value = faults[e.code] ?? faults[2]
      stop()
    }, { enableHighAccuracy: true, timeout: 30_000, maximumAge: 10_000 })
    timer = setTimeout(stop, 30_000)
  }
  onScopeDispose(stop)
  return { fix, seeking, fault, seek }
}

/** True when a position can be had without asking the person anything. */
export async function mayLocate(): Promise<boolean> {
  try {
    return (await navigator.permissions.query({ name: 'geolocation' })).state === 'granted'
  } catch {
    return false
  }
}
