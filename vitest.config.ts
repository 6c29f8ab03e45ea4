import { defineConfig } from 'vitest/config'

const wholeProgram = 'test/e2e/**/*.test.ts'

export default defineConfig({
  test: {
    // Threads would not do: what a thread starts dies, by its parent-death signal, with that thread.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A machine that others load may miss a limit once; the report names a test that needed it.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['**/node_modules/**', wholeProgram] },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: [wholeProgram],
          globalSetup: 'test/setup.ts',
        },
      },
    ],
  },
})
