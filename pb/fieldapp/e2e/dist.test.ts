import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

const app = join(import.meta.dirname, '..')

function files(dir: string): Map<string, string> {
  const out = new Map<string, string>()
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = join(entry.parentPath, entry.name)
    out.set(path.slice(dir.length + 1), readFileSync(path).toString('latin1'))
  }
  return out
}

test('what the server serves is what the source builds, byte for byte', async () => {
  // The test runner's own variables would make it a build for tests.
  const { NODE_ENV: _, VITEST: __, ...env } = process.env
  const fresh = mkdtempSync(join(tmpdir(), 'gangwan-dist-'))
  try {
    await promisify(execFile)('npx', ['vite', 'build', '--outDir', fresh, '--emptyOutDir', '--logLevel', 'error'], { cwd: app, env })
    const [built, committed] = [files(fresh), files(join(app, 'dist'))]
    expect([...committed.keys()].sort(), 'run make app').toEqual([...built.keys()].sort())
    for (const [name, content] of built) expect(committed.get(name) === content, `${name} differs: run make app`).toBe(true)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
})

test('all that a phone keeps of the app is at most 212 KB, packed; what only desks open is apart', () => {
  const sizes = [...files(join(app, 'dist'))].filter(([name]) => !/\.(png|svg)$/.test(name)).map(([name, content]) => ({ name, size: gzipSync(Buffer.from(content, 'latin1'), { level: 9 }).length }))
  const office = sizes.filter(f => f.name.startsWith('assets/office-'))
  expect(office.length).toBe(1)
  expect(sizes.reduce((sum, f) => sum + f.size, 0) - office[0]!.size, JSON.stringify(sizes)).toBeLessThanOrEqual(212_000)
})
