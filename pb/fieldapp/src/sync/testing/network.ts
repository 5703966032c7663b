import type { Env } from '../env'

/**
 * What happens to a call: it never arrives, its answer is lost, it arrives twice, it arrives after the caller gave it up, it hangs, the
 * server answers an error, or its connection breaks in the middle of the answer.
 */
export type Trouble = 'unsent' | 'lost' | 'twice' | 'late' | 'hang' | 'error' | 'cut'
export const troubles: Trouble[] = ['unsent', 'lost', 'twice', 'late', 'hang', 'error', 'cut']

/** The way to a server, with what goes wrong on it. */
export class Network {
  /** Calls that are really under way: while there are any, time must not pass. */
  busy = 0
  private late: (() => Promise<unknown>)[] = []

  /** @param trouble asked for each call; undefined: all goes well */
  constructor(private readonly server: Pick<Env, 'fetch'>, public trouble: () => Trouble | undefined = () => undefined) {}

  fetch: Env['fetch'] = async (url, init) => {
    const { signal: _, ...sent } = init, broken = () => new TypeError('Failed to fetch')
    const call = async () => {
      this.busy++
      try {
        const answer = await this.server.fetch(url, sent)
        return new Response(await answer.arrayBuffer(), { status: answer.status, headers: answer.headers })
      } finally {
        this.busy--
      }
    }
    const trouble = this.trouble()
    if (trouble === 'hang') return new Promise(() => {})
    if (trouble === 'error') return new Response('{}', { status: 502 })
    if (trouble === 'late') this.late.push(call)
    if (trouble === 'unsent' || trouble === 'late') throw broken()
    const answer = await call()
    if (trouble === 'twice') await call()
    if (trouble !== 'lost') await this.arrive()
    if (trouble === 'lost') throw broken()
    if (trouble === 'cut') return new Response((await answer.text()).slice(0, -1), { status: answer.status })
    return answer
  }

  /** Lets what was held up arrive. */
  async arrive(): Promise<void> {
    for (const call of this.late.splice(0)) await call()
  }
}
