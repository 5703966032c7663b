import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', environment: 'node', include: ['src/**/*.test.ts'] } },
      // One server and one browser at a time: the end-to-end stories share the machine's two cores.
      {
        test: {
          name: 'e2e', environment: 'node', include: ['e2e/**/*.test.ts'], fileParallelism: false,
          testTimeout: 300_000, hookTimeout: 300_000,
        },
      },
    ],
  },
})
