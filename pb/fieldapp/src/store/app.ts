import { computed, onScopeDispose, reactive, ref, shallowRef, watch, type Ref, type WatchSource } from 'vue'
import { browserEnv, openSession, type Client, type Session, type Status } from '@/sync'
import { version as appVersion } from '../../package.json'

export { appVersion }

const away: Status = {
  online: true, session: 'signed_out', syncing: '', elsewhere: false, pending: 0, waiting: 0, rejected: 0,
  pictures: { total: 0, sent: 0, refused: 0 }, oldest_pending_at: '', last_success_at: '', last_error: null, next_try_at: '',
  device: '', device_state: '', epoch: '', downloading: 0, skew: 0,
}

const current = shallowRef<Client>()
const status = shallowRef<Status>(away)
let opened: Session | undefined
const door = () => (opened ??= openSession(browserEnv({ app_version: appVersion })))

/** Display names by collection and id; small reference collections only, so all of them are kept. */
const known = reactive<Record<string, Record<string, string>>>({})
const named: Record<string, (f: Record<string, any>) => string> = {
  banks: f => f.short_name || f.name,
  agencies: f => f.short_name || f.name,
  harbours: f => f.name,
  grids: f => f.name,
  areas: f => f.name,
  policies: f => f.title,
  products: f => f.name,
}
let leave: (() => void)[] = []
/** This tab itself is signing out: it must not be reloaded before all is erased. */
let leaving = false

function enter(client: Client): Client {
  if (current.value === client) return client
  leave.forEach(f => f())
  current.value = client
  status.value = client.status()
  leave = [client.onStatus(s => {
    status.value = s
    // Another tab signed out, or somebody else in: what stands on this page is nobody's any more, and an open form must not hold it.
    if (s.session === 'signed_out' && !leaving) location.replace('/')
  })]
  for (const [collection, title] of Object.entries(named)) {
    leave.push(client.live(
      async () => Object.fromEntries((await client.list(collection)).map(r => [r.id, title(r.fields)])),
      all => { known[collection] = all },
    ))
  }
  return client
}

/** The signed-in user's client. Pages behind sign-in may call it at any time; it throws where nobody is signed in. */
export function useClient(): Client {
  if (!current.value) throw new Error('nobody is signed in')
  return current.value
}

/** The state of exchange with the server, kept up to date. */
export function useStatus(): Readonly<Ref<Status>> {
  return status
}

/**
 * The answer of a query on the local database, run again when what it read or one of `deps` changes.
 * @param initial shown until the first answer
 */
export function useLive<T>(query: (c: Client) => Promise<T>, initial: T, deps: WatchSource[] = []): Ref<T> {
  const answer = shallowRef(initial) as Ref<T>
  let stop = () => {}
  watch([current, ...deps], () => {
    stop()
    const client = current.value
    let wanted = true
    // An answer may still be on its way when its question is no longer asked.
    const end = client?.live(() => query(client), v => { if (wanted) answer.value = v })
    stop = () => { wanted = false; end?.() }
  }, { immediate: true })
  onScopeDispose(() => stop())
  return answer
}

/** What people call a record of banks, agencies, harbours, grids, areas, policies or products; '' when it is not on this phone. */
export function nameOf(collection: string, id: string): string {
  return known[collection]?.[id] ?? ''
}
export const names = { nameOf }

export const session = {
  /** True while somebody is signed in, an expired token included. */
  signedIn: computed(() => !!current.value),
  /** Opens what this phone remembers, without a network. */
  async resume(): Promise<Client | undefined> {
    if (current.value) return current.value
    const client = await door().resume()
    return client && enter(client)
  },
  /** Needs the network; throws SignInError. Remembers who signed in, so that the account is filled in next time. */
  async signIn(identity: string, password: string): Promise<Client> {
    const client = await door().signIn(identity, password)
    localStorage.setItem('gangwan.identity', identity)
    return enter(client)
  },
  /** Other users who left unsent work in this browser. */
  others: (): Promise<{ id: string; name: string; unsent: number }[]> => door().others(),
  async changePassword(old: string, fresh: string): Promise<void> {
    await door().changePassword(old, fresh)
    const client = await door().resume()
    if (client) enter(client)
  },
  /** Refuses while work is unsent. */
  async signOut(): Promise<{ done: boolean; unsent: number }> {
    leaving = true
    const answer = await door().signOut().finally(() => { leaving = false })
    if (answer.done) {
      leave.forEach(f => f())
      leave = []
      current.value = undefined
      status.value = away
      for (const c of Object.keys(known)) delete known[c]
    }
    return answer
  },
}

export const lastIdentity = () => localStorage.getItem('gangwan.identity') ?? ''

const openForms = ref(0)
/** True while a form is on screen: no update is offered then. */
export const formOpen = computed(() => openForms.value > 0)
/** Says that the calling page is a form for as long as it lives. */
export function useFormOpen(): void {
  openForms.value++
  onScopeDispose(() => { openForms.value-- })
}

/** 大字 mode: everything is sized in rem. */
export const largeText = ref(localStorage.getItem('gangwan.large') === '1')
watch(largeText, on => {
  document.documentElement.classList.toggle('large', on)
  localStorage.setItem('gangwan.large', on ? '1' : '0')
}, { immediate: true })
