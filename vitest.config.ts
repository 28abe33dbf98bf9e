import { defineConfig } from 'vitest/config';

/**
 * A limit ends a test that hangs, and measures nothing: where others use the cores, a test takes many times as long as on an
 * idle machine. The slowest tests without a limit of their own take some 6 s there.
 */
const LIMIT_MS = 120_000;
const limits = { pool: 'forks', testTimeout: LIMIT_MS, hookTimeout: LIMIT_MS, globalSetup: 'test/support/compiled.ts' } as const;
/** Fails tests that leave tensors behind. */
const setupFiles = ['test/support/leak-guard.ts'];

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          ...limits,
          setupFiles,
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/long/**', 'test/network/**'],
        },
      },
      // Minutes each: `npm run test:long`.
      { test: { ...limits, setupFiles, name: 'long', include: ['test/long/**/*.test.ts'], testTimeout: 300_000 } },
      // Hosts that are cut off from each other, and a whole run against PyTorch: `npm run test:network`, minutes.
      {
        test: { ...limits, name: 'network', include: ['test/network/**/*.test.ts'], fileParallelism: false, testTimeout: 600_000 },
      },
      // Whole runs of processes: after the others, and one at a time.
      {
        test: {
          ...limits,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          testTimeout: 300_000,
        },
      },
    ],
  },
});
