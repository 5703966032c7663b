import { ref } from 'vue'

/** A newer version is on the device and waits to be taken. */
export const newer = ref(false)
let held: ServiceWorkerRegistration | undefined
let asked = false

/** Keeps the app on the device and looks for newer versions: each time it is seen again, for an installed app may stay open for weeks. */
export async function keepUpToDate(): Promise<void> {
  if (!import.meta.env.PROD || !navigator.serviceWorker) return
  navigator.serviceWorker.addEventListener('controllerchange', () => { if (asked) location.reload() })
  held = await navigator.serviceWorker.register('/sw.js').catch(() => undefined)
  if (!held) return
  const look = () => { newer.value = !!held!.waiting && !!held!.active }
  held.addEventListener('updatefound', () => held!.installing?.addEventListener('statechange', look))
  look()
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && navigator.onLine) void held!.update().catch(() => undefined)
  })
}

/** Takes the newer version; this page begins anew with it. Other tabs keep theirs until they are opened again: a form may stand in them. */
export function update(): void {
  asked = true
  held?.waiting?.postMessage({ type: 'SKIP_WAITING' })
}
