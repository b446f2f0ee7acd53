import { defineConfig } from 'vitest/config'

// Unit tests and the simulator run from source; `e2e` runs the built broker and gomqctl in their own processes.
const source = { conditions: ['@gomq/source', 'module', 'node', 'import', 'default'] }

export default defineConfig({
  test: {
    projects: [
      {
        resolve: source,
        ssr: { resolve: source },
        test: {
          name: 'unit',
          include: [
            'packages/*/test/**/*.test.ts',
            'apps/*/test/**/*.test.ts',
            'sim/test/**/*.test.ts',
            'bench/test/**/*.test.ts',
            'tools/*/test/**/*.test.ts',
          ],
          // Guards against hanging, not against a busy machine.
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['e2e/test/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
