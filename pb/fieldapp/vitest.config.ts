import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const resolve = { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } }

export default defineConfig({
  test: {
    projects: [
      { resolve, test: { name: 'unit', environment: 'node', include: ['src/**/*.test.ts'] } },
      // The sync client against the real server, without a browser.
      { resolve, test: { name: 'server', environment: 'node', include: ['src/**/*.real.ts'], testTimeout: 120_000, hookTimeout: 120_000 } },
      // One server and one browser at a time: the end-to-end stories share the machine's two cores.
      {
        resolve,
        test: {
          name: 'e2e', environment: 'node', include: ['e2e/**/*.test.ts'], fileParallelism: false,
          testTimeout: 300_000, hookTimeout: 300_000,
        },
      },
      // Not tests: speed (make bench-app), and the pictures of the README (make screenshots).
      { resolve, test: { name: 'bench', environment: 'node', include: ['e2e/**/*.bench.ts'], testTimeout: 300_000, hookTimeout: 300_000 } },
      { resolve, test: { name: 'screenshots', environment: 'node', include: ['e2e/**/*.shots.ts'], testTimeout: 300_000, hookTimeout: 300_000 } },
    ],
  },
})
