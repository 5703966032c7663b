/// <reference lib="webworker" />
// Keeps the whole app on the device, so that it opens without a network. A new version is fetched whole before it takes over, and takes over when a person says so.
declare const self: ServiceWorkerGlobalScope & { __WB_MANIFEST: { url: string; revision: string | null }[] }
export {}

// By path: where the file stands in the cache. A name that holds a hash is that place; what keeps its name stands there by its revision.
const places = new Map(self.__WB_MANIFEST.map(f => [new URL(f.url, self.location.origin).pathname, f.revision ? `/${f.url}?${f.revision}` : `/${f.url}`]))
const shelf = 'gangwan-app'
// The API, the console and the portal are the server's, with or without the app.
const servers = /^\/(api|_|reports)(\/|$)/

// Only banks, departments and officials open these: kept from the first time on, by a desk and by no phone.
const offices = /\/assets\/office-/

self.addEventListener('install', e => e.waitUntil((async () => {
  const cache = await caches.open(shelf)
  const desk = (await cache.keys()).some(r => offices.test(r.url))
  await Promise.all([...places].map(async ([path, place]) => {
    if (await cache.match(place) || offices.test(path) && !desk) return
    const answer = await fetch(path, { cache: 'reload' })
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    await cache.put(place, answer)
  }))
})()))

self.addEventListener('activate', e => e.waitUntil((async () => {
  for (const name of await caches.keys()) if (name !== shelf) await caches.delete(name)
  const cache = await caches.open(shelf), wanted = new Set(places.values())
  for (const { url } of await cache.keys()) if (!wanted.has(url.slice(self.location.origin.length))) await cache.delete(url)
})()))

self.addEventListener('message', e => { if (e.data?.type === 'SKIP_WAITING') void self.skipWaiting() })

self.addEventListener('fetch', e => {
  const { pathname, origin } = new URL(e.request.url)
  if (e.request.method !== 'GET' || origin !== self.location.origin) return
  const place = places.get(e.request.mode === 'navigate' && !servers.test(pathname) ? '/index.html' : pathname)
  if (!place) return
  e.respondWith((async () => {
    const cache = await caches.open(shelf), kept = await cache.match(place)
    if (kept) return kept
    const answer = await fetch(e.request)
    if (answer.ok && offices.test(pathname)) await cache.put(place, answer.clone())
    return answer
  })())
})
