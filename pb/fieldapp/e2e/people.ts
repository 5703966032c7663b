// What people do with the app, in the order of the screens.
import { expect } from 'vitest'
import { password, photo, type Person } from './office'

export const at = (p: Person, name: string) => p.page.locator(`[data-test="${name}"]`)

/** Opens the app and signs in; afterwards the first download has ended. */
export async function signIn(p: Person, email: string, word = password): Promise<void> {
  await p.page.goto(p.office.url)
  await at(p, 'identity').fill(email)
  await at(p, 'password').fill(word)
  await at(p, 'sign-in').click()
  await p.page.waitForURL((u) => !u.pathname.startsWith('/sign-in'))
}

/** Waits until the app opens without a network too. */
export async function workerReady(p: Person): Promise<void> {
  await p.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
}

export interface VisitOf {
  shop: string
  /** Yuan asked for; leave out for no demand. */
  demand?: number
  photos?: number
  signed?: boolean
}

/**
 * One visit at the shop door, begun at `began` by the phone's clock and saved four minutes later. The phone shows the time it is
 * told to show: what is tested is the time it wrote down.
 */
export async function visit(p: Person, began: Date, v: VisitOf): Promise<void> {
  const { page, office } = p
  await page.clock.setFixedTime(began)
  await page.goto(`${office.url}/enterprises/${office.ids[v.shop]}`)
  await at(p, 'start-visit').click()
  await page.getByText('已定位').waitFor()
  await at(p, 'choice-place-shop').click()
  await at(p, 'choice-outcome-met').click()
  await at(p, `choice-demand_asked-${v.demand ? 'yes' : 'no'}`).click()
  if (v.demand) {
    await at(p, 'choice-kind-first_loan').click()
    await choose(p, 'need', 'working_capital')
    await at(p, 'field-amount').fill(String(v.demand))
  }
  for (let i = 0; i < (v.photos ?? 1); i++) {
    await at(p, 'take-photo').setInputFiles(await photo(page))
    await expect.poll(() => at(p, 'photo').count(), { timeout: 20_000 }).toBe(i + 1)
  }
  if (v.signed) {
    await at(p, 'signature-start').click()
    const box = (await at(p, 'signature-pad').boundingBox())!
    await page.mouse.move(box.x + 40, box.y + 60)
    await page.mouse.down()
    for (let i = 1; i < 12; i++) await page.mouse.move(box.x + 40 + i * 15, box.y + 60 + (i % 2) * 30)
    await page.mouse.up()
    await at(p, 'signature-done').click()
    await at(p, 'signature-image').waitFor()
  }
  await page.clock.setFixedTime(new Date(began.getTime() + 4 * 60_000))
  await at(p, 'save-visit').click()
  await page.waitForURL((u) => u.pathname === `/enterprises/${office.ids[v.shop]}`)
}

/** Picks an option, as chips or from a sheet. */
export async function choose(p: Person, field: string, value: string): Promise<void> {
  const option = at(p, `choice-${field}-${value}`)
  const unfold = at(p, `field-${field}`)
  await option.or(unfold).first().waitFor()
  if (!(await option.count())) await unfold.click()
  await option.click()
}

/** What the 上报 page says is left, as a number. */
export async function left(p: Person): Promise<number> {
  await p.page.goto(p.office.url + '/sync')
  await at(p, 'outbox-count').waitFor()
  return Number(await at(p, 'outbox-count').getAttribute('data-count'))
}

/** 立即上报, until nothing waits. */
export async function drain(p: Person): Promise<void> {
  if (!p.page.url().endsWith('/sync')) await p.page.goto(p.office.url + '/sync')
  await expect.poll(async () => {
    if (await at(p, 'sync-now').isEnabled()) await at(p, 'sync-now').click()
    await p.page.locator('[data-test="sync-now"]:enabled').waitFor()
    const said = (await at(p, 'picture-count').count()) ? await at(p, 'picture-count').innerText() : '0/0'
    const [, sent, all] = /(\d+)\/(\d+)/.exec(said) ?? []
    return { left: Number(await at(p, 'outbox-count').getAttribute('data-count')), pictures: Number(all) - Number(sent) }
  }, { timeout: 60_000, interval: 500 }).toEqual({ left: 0, pictures: 0 })
}

/** Saves the sheet at hand and waits until it is gone: what it held is captured then. */
export async function saveSheet(p: Person): Promise<void> {
  await at(p, 'sheet-save').click()
  await at(p, 'form-sheet').waitFor({ state: 'detached' })
}
