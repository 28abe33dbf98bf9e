import { expect, test } from 'vitest';
import { TraceRefusal } from '../../../src/trace/refusal.js';
import { TraceCache, type TracedCall } from '../../../src/trace/trace-cache.js';
import type { Precision, TraceNotice } from '../../../src/trace/trace-notice.js';

interface Trace {
  readonly name: string;
  readonly precision: Precision;
  isClosed: boolean;
  close(): void;
}

class Bench {
  readonly notices: TraceNotice[] = [];
  readonly made: Trace[] = [];
  readonly cache = new TraceCache<Trace>({ precision: 'bf16', onNotice: (notice) => this.notices.push(notice) });

  /** The trace's name for a step of this size, or `eager`. */
  run(size: number, options: { inUse?: Trace; call?: TracedCall['call']; precision?: Precision } = {}): string {
    const { call = 'step', inUse = null } = options;
    const make = (): Trace => {
      const trace: Trace = {
        name: `${call} ${size}`,
        precision: options.precision ?? 'bf16',
        isClosed: false,
        close() {
          this.isClosed = true;
        },
      };
      this.made.push(trace);
      return trace;
    };
    return this.cache.obtain({ call, size, form: '' }, make, inUse)?.name ?? 'eager';
  }

  times(count: number, size: number): string[] {
    return Array.from({ length: count }, () => this.run(size));
  }

  get open(): string[] {
    return this.made.filter(({ isClosed }) => !isClosed).map(({ name }) => name);
  }
}

test('the first size is traced at once, any other when it comes up for the third time', () => {
  const bench = new Bench();
  expect(bench.times(2, 128)).toEqual(['step 128', 'step 128']);
  expect(bench.times(4, 80)).toEqual(['eager', 'eager', 'step 80', 'step 80']);
  expect(bench.made).toHaveLength(2);
});

test('kinds of calls are apart: each has a first size of its own', () => {
  const bench = new Bench();
  expect(bench.run(128)).toBe('step 128');
  expect(bench.run(80, { call: 'predict' })).toBe('predict 80');
  expect(bench.run(80, { call: 'cut step' })).toBe('cut step 80');
  expect(bench.run(128, { call: 'cut step' })).toBe('eager');
});

test('of more than four traces the one whose use lies longest back is closed', () => {
  const bench = new Bench();
  for (const size of [1, 2, 3, 4]) bench.times(3, size);
  bench.run(1);
  bench.times(3, 5);
  expect(bench.open).toEqual(['step 1', 'step 3', 'step 4', 'step 5']);
});

test('the trace that holds the state is not closed', () => {
  const bench = new Bench();
  for (const size of [1, 2, 3, 4]) bench.times(3, size);
  const [oldest] = bench.made;
  bench.times(2, 5);
  bench.run(5, { inUse: oldest as Trace });
  expect(bench.open).toEqual(['step 1', 'step 3', 'step 4', 'step 5']);
});

test('more sizes than traces, in turn, do not trace for ever', () => {
  const bench = new Bench();
  for (let round = 0; round < 200; round++) for (const size of [1, 2, 3, 4, 5, 6]) bench.run(size);
  expect(bench.made.length).toBeLessThan(30);
  expect(bench.open).toHaveLength(4);
});

test('a refusal is remembered, and said once', () => {
  const bench = new Bench();
  let tries = 0;
  const refuse = (): Trace => {
    tries++;
    throw new TraceRefusal('it draws');
  };
  for (let i = 0; i < 5; i++) expect(bench.cache.obtain({ call: 'step', size: 8, form: '' }, refuse)).toBeNull();
  bench.cache.clear();
  expect(bench.cache.obtain({ call: 'step', size: 8, form: '' }, refuse)).toBeNull();
  expect(tries).toBe(1);
  expect(bench.notices).toEqual([{ call: 'step', size: 8, traced: false, precision: 'fp32', reason: 'it draws' }]);
});

test('an error that is no refusal goes up, and the next call tries again', () => {
  const bench = new Bench();
  const fail = () => {
    throw new TypeError('a defect');
  };
  expect(() => bench.cache.obtain({ call: 'step', size: 8, form: '' }, fail)).toThrow('a defect');
  expect(bench.notices).toEqual([]);
  expect(bench.run(8)).toBe('step 8');
});

test('each kind and size is told once, with the precision that runs', () => {
  const bench = new Bench();
  bench.times(3, 8);
  bench.times(5, 3);
  expect(bench.notices).toEqual([
    { call: 'step', size: 8, traced: true, precision: 'bf16' },
    { call: 'step', size: 3, traced: true, precision: 'bf16' },
  ]);
});

test('cleared, all are closed, and what was traced is traced again at its next use, without a word', () => {
  const bench = new Bench();
  bench.run(8);
  bench.times(3, 3);
  bench.cache.clear();
  expect(bench.open).toEqual([]);
  expect([bench.run(8), bench.run(3)]).toEqual(['step 8', 'step 3']);
  expect(bench.notices).toHaveLength(2);
});

test('a call with nothing that could be in bf16 is said to run in fp32, and why', () => {
  const bench = new Bench();
  expect(bench.run(8, { precision: 'fp32' })).toBe('step 8');
  const reason = 'it has no convolution and no large matrix product that could run in bf16';
  expect(bench.notices).toEqual([{ call: 'step', size: 8, traced: true, precision: 'fp32', reason }]);
});
