import type { Env } from './env'

/** How an exchange ended; `wait` is what the server asked for, in milliseconds. */
export interface Outcome { ok: boolean; wait?: number }

/** Milliseconds. */
const afterCapture = 1_500, whileVisible = 30_000, firstRetry = 5_000, lastRetry = 300_000

/** When to exchange with the server: after work, when the network or the page comes back, now and then, by hand; less and less while it fails. */
export class Loop {
  private failures = 0
  private cancel?: () => void
  /** The time for which the timer is set, in milliseconds; 0: none. */
  private at = 0
  /** Until then nothing goes by itself. */
  private hold = { from: 0, ms: 0 }
  private running?: Promise<void>
  private wanted = false
  private readonly deaf: () => void
  private closed = false

  /** @param run exchanges once, never throws @param changed is told when `next` changed */
  constructor(private readonly env: Env, private readonly run: (byHand: boolean) => Promise<Outcome>, private readonly changed: () => void) {
    this.deaf = env.events.listen(what => {
      if (what === 'online') this.reset()
      if (what === 'online' || what === 'visible') this.schedule(0)
      this.changed()
    })
  }

  /** When the next exchange is tried by itself; undefined: at the next event. */
  get next(): Date | undefined { return this.at ? new Date(this.at) : undefined }

  /** Something was captured: exchange soon, after what is being typed next. */
  poke(): void {
    this.wanted = true
    if (!this.running) this.schedule(afterCapture)
  }

  /** Exchanges now, whatever went wrong before; returns when an exchange begun after this call has ended. */
  async byHand(): Promise<void> {
    await this.running
    this.reset()
    await this.go(true)
  }

  /** Exchanges without waiting for the timer: a session was opened or renewed. */
  start(): void {
    this.reset()
    this.schedule(0)
  }

  close(): void {
    this.closed = true
    this.cancel?.()
    this.deaf()
  }

  private reset(): void {
    this.failures = 0
    this.hold = { from: 0, ms: 0 }
  }

  private schedule(ms: number): void {
    if (this.closed) return
    const now = this.env.now().getTime()
    // A clock that was set back must not hold the phone's work for days.
    const held = Math.min(this.hold.ms, Math.max(0, this.hold.from + this.hold.ms - now))
    const at = now + Math.max(ms, held)
    if (this.at && this.at <= at && this.at >= now) return
    this.cancel?.()
    this.at = at
    this.cancel = this.env.timers.after(at - now, () => {
      this.at = 0
      void this.go(false)
    })
    this.changed()
  }

  private async go(byHand: boolean): Promise<void> {
    if (this.running) return this.running
    if (this.closed || !byHand && !this.env.events.online()) return this.changed()
    this.cancel?.()
    this.at = 0
    this.wanted = false
    this.running = this.run(byHand).then(outcome => {
      this.running = undefined
      this.settle(outcome)
    })
    await this.running
  }

  private settle(outcome: Outcome): void {
    const now = this.env.now().getTime()
    if (outcome.ok) {
      this.reset()
      if (this.wanted) this.schedule(afterCapture)
      else if (this.env.events.visible()) this.schedule(whileVisible)
      return
    }
    const longest = Math.min(lastRetry, firstRetry * 2 ** this.failures++)
    // Phones that lost the server together must not come back together.
    const jitter = 0.5 + this.env.random(1)[0] / 512
    this.hold = { from: now, ms: Math.max(Math.round(longest * jitter), outcome.wait ?? 0) }
    this.schedule(0)
  }
}
