/** How many cores an engine takes: real processes, with the environment that their agent gives them. */

import { existsSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { startChild } from '../../../src/process/child.js';
import { engineEnvironment } from '../../../src/system/engine-environment.js';
import { describeProcessor } from '../../../src/system/processor.js';
import { describeTensorflow } from '../../support/tensorflow-engine.js';

interface Computed {
  readonly type: 'computed';
  /** Processor time over wall time. */
  readonly cores: number;
  /** Processor time of each thread, in ticks. */
  readonly shares: readonly number[];
}

async function compute(engine: string, threads: number, what: 'ops' | 'graph' = 'ops'): Promise<Computed> {
  const child = startChild<Computed, never>({
    module: '../test/support/process/computing-child.mjs',
    args: [engine, what],
    env: engineEnvironment({ threads, processor: describeProcessor(), inherited: process.env }),
  });
  const computed = await new Promise<Computed>((resolve, reject) => {
    child.onMessage(resolve);
    child.onExit((end) => reject(new Error(`it ended: ${JSON.stringify(end)}`)));
  });
  child.kill('SIGKILL');
  await child.ended;
  return computed;
}

/** Threads that did a good part of the work, however many others wanted the processor meanwhile. */
function busyThreads({ shares }: Computed): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.filter((share) => share > 0.2 * sum).length;
}

test('every variable is there, and what the user has set of the log level, the allocator and oneDNN stays', () => {
  const threads = { TF_NUM_INTRAOP_THREADS: '3', TF_NUM_INTEROP_THREADS: '3', OMP_NUM_THREADS: '3' };
  expect(engineEnvironment({ threads: 3, processor: '', inherited: {} })).toEqual({
    ...threads,
    TF_CPP_MIN_LOG_LEVEL: '2',
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    TF_ENABLE_ONEDNN_OPTS: '1',
  });
  const chosen = { GLIBC_TUNABLES: 'glibc.malloc.check=1', TF_ENABLE_ONEDNN_OPTS: '0' };
  const inherited = { TF_CPP_MIN_LOG_LEVEL: '0', TF_NUM_INTRAOP_THREADS: '8', ...chosen };
  expect(engineEnvironment({ threads: 3, processor: '', inherited })).toEqual({ ...threads, TF_CPP_MIN_LOG_LEVEL: '0' });
});

test('AMX is kept from libtensorflow where it would end the process, unless the user has said what it may use', () => {
  const processor = 'cpuid level\t: 13\nflags\t\t: avx512_bf16 amx_bf16 amx_tile\n';
  expect(engineEnvironment({ threads: 1, processor, inherited: {} })).toMatchObject({ ONEDNN_MAX_CPU_ISA: 'AVX512_CORE_FP16' });
  expect(engineEnvironment({ threads: 1, processor, inherited: { ONEDNN_MAX_CPU_ISA: 'AVX2' } })).not.toHaveProperty('ONEDNN_MAX_CPU_ISA');
});

describe('an engine computes on as many threads as it is given', () => {
  beforeEach(({ skip }) => skip(!existsSync('/proc/self/task'), 'the threads of a process are found by /proc, which is not here'));

  test('wasm on one, whatever it is given', async () => {
    expect((await compute('wasm', 2)).cores).toBeLessThan(1.3);
  });

  describeTensorflow('tensorflow', () => {
    test.each(['ops', 'graph'] as const)('one (%s)', async (what) => {
      const computed = await compute('tensorflow', 1, what);
      expect(computed.cores).toBeLessThan(1.15);
      expect(busyThreads(computed)).toBe(1);
    });

    test.each(['ops', 'graph'] as const)('two (%s)', async (what) => {
      const computed = await compute('tensorflow', 2, what);
      expect(computed.cores).toBeLessThan(2.15);
      // The thread that calls may do a part itself while one of the two waits for a core.
      expect(busyThreads(computed)).toBeOneOf([2, 3]);
    });
  });
});
