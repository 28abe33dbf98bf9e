import { defineConfig } from 'vitest/config';

const limits = { pool: 'forks', testTimeout: 30_000, hookTimeout: 30_000, globalSetup: 'test/support/compiled.ts' } as const;
/** Fails tests that leave tensors behind. */
const setupFiles = ['test/support/leak-guard.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      { test: { ...limits, setupFiles, name: 'fast', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**', 'test/long/**'] } },
      // Minutes each: `npm run test:long`.
      { test: { ...limits, setupFiles, name: 'long', include: ['test/long/**/*.test.ts'], testTimeout: 300_000 } },
      // Whole runs of processes: after the others, and one at a time.
      {
        test: {
          ...limits,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 150_000,
        },
      },
    ],
  },
});
