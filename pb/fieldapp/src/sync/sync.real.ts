// The client against the real server: the same histories as against the protocol page's.
import fc from 'fast-check'
import { afterAll, beforeAll, test } from 'vitest'
import { RealOffice } from './testing/office'
import { histories, play } from './testing/story'

let office: RealOffice
beforeAll(async () => { office = await RealOffice.start() })
afterAll(() => office?.stop())

test('与真实服务器交错采集、丢失回答、关机、恢复备份、时钟不准之后，手机、列表接口和摘要三者一致，一条不丢、不重、不漏', async () => {
  await fc.assert(fc.asyncProperty(...histories(40), (steps, locks, seed) => play(office, steps, locks, seed)), { numRuns: 12, endOnFailure: true })
})
