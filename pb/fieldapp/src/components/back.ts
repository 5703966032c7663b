import type { Router } from 'vue-router'

/**
 * Leaves a page for the one it was opened from. Where that is the page before, it goes back: put in its place it would stand
 * twice in the history, and the next 返回 would seem to do nothing.
 */
export async function returnTo(router: Router, path: string): Promise<void> {
  if (window.history.state?.back === path) router.back()
  else await router.replace(path)
}
