import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryOffice } from './testing/office'
import { histories, play } from './testing/story'
import { createHash } from 'node:crypto'
import { fnv1a, newId, sha256 } from './ids'

test('两台手机和办公室怎样交错，丢失回答、关机、恢复备份、时钟不准、清除缓存之后，最后两台手机与服务器一致，一条不丢、不重、不漏', async () => {
  await fc.assert(fc.asyncProperty(...histories(40), (steps, locks, seed) => play(new MemoryOffice(), steps, locks, seed)), { numRuns: 12 })
}, 120_000)

test('没有平台摘要时自算的 SHA-256 与标准一致', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
    expect(await sha256(bytes.slice().buffer)).toBe(createHash('sha256').update(bytes).digest('hex'))
  }))
})

test('编号是 UUIDv7 的 32 位小写十六进制，摘要用标准的 FNV-1a', () => {
  expect(newId(new Date(0x019012345678), new Uint8Array(10).fill(255))).toBe('0190123456787fffbfffffffffffffff')
  expect([fnv1a(''), fnv1a('a'), fnv1a('foobar')]).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968])
})
