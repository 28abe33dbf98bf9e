/** The bench's figures, and the text that it prints. */

import { describe, expect, test } from 'vitest';
import { compareNumbers, compareUpdates } from '../../bench/gate.js';
import { forwardOperations, stepOperations } from '../../bench/resnet-work.js';
import { jsonLine, type Measured, type SideResult, table } from '../../bench/result.js';
import { fallsOrWhy } from '../../bench/rows/wasm-rows.js';
import { median, normOf, normOfDifference, ratios, spreadOf, stepsPerTurn } from '../../bench/statistics.js';

const side = (name: string, rate: number): SideResult => ({
  name,
  rate,
  rates: [rate],
  processorRates: [rate],
  turns: [],
  warmUp: { steps: 20, seconds: 1 },
});
const measured: Measured = {
  row: 'kd-step',
  ratio: { median: 1.15234, min: 1.1, max: 1.2 },
  processorRatio: { median: 1.15, min: 1.1, max: 1.2 },
  timeMost: null,
  ours: side('Stillhouse', 360.123),
  anchor: side('PyTorch compile', 312.5),
  others: [side('PyTorch eager', 290)],
  knowledge: null,
  notes: ['while Stillhouse ran, the other sides took 9 % of a processor'],
};
const skipped = { row: 'kd-step-bf16', skipped: 'no --torch PYTHON' };
const failed = { row: 'student-step', failed: 'gate failed against PyTorch: value 1 is 2, the anchor’s 3' };

describe('statistics', () => {
  test('the median is the middle value, or between the two in the middle', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(() => median([])).toThrow('the median of no values');
  });

  test('a ratio is that of one pair of turns, not of the medians', () => {
    const found = ratios([10, 40, 30], [10, 10, 20]);
    expect(found).toEqual([1, 4, 1.5]);
    expect(spreadOf(found)).toEqual({ median: 1.5, min: 1, max: 4 });
    expect(() => ratios([1, 2], [1])).toThrow('2 turns of ours and 1 of the anchor');
  });

  test('a turn is as long as asked for, and never without a step', () => {
    expect(stepsPerTurn(2, 0.3)).toBe(7);
    expect(stepsPerTurn(2, 5)).toBe(1);
  });

  test('a norm is of all values, and not a number where they do not match', () => {
    expect(normOf(Float32Array.of(3, 4))).toBe(5);
    expect(normOfDifference(Float32Array.of(4, 6), Float32Array.of(1, 2))).toBe(5);
    expect(normOfDifference(Float32Array.of(1), Float32Array.of(1, 2))).toBeNaN();
    expect(normOfDifference(Float32Array.of(Number.NaN), Float32Array.of(1))).toBeNaN();
  });
});

describe('gates', () => {
  test('numbers agree up to a share of their size', () => {
    expect(compareNumbers([100, -2], [100.9, -2], 0.01)).toBeNull();
    expect(compareNumbers([100, -2], [100, -2.1], 0.01)).toBe("value 2 is -2.00000, the anchor's -2.10000");
    expect(compareNumbers([Number.NaN], [Number.NaN], 0.01)).toContain('value 1');
    expect(compareNumbers([1], [1, 2], 0.01)).toBe('1 values of ours and 2 of the anchor');
  });

  test('a step changes each tensor alike, up to a share of the change and to rounding', () => {
    const entries = [
      { name: 'a', offset: 0, size: 2 },
      { name: 'b', offset: 2, size: 1 },
    ];
    const start = Float32Array.of(1, 1, 5);
    const compare = (ours: Float32Array, anchor: Float32Array) => compareUpdates(entries, { start, ours, anchor, tolerance: 0.1 });
    expect(compare(Float32Array.of(1.109, 1, 6.09), Float32Array.of(1.1, 1, 6))).toBeNull();
    expect(compare(Float32Array.of(1 + 1.2e-7, 1, 6), Float32Array.of(1, 1, 6))).toBeNull();
    expect(compare(Float32Array.of(1.1, 1, 4), Float32Array.of(1.1, 1, 6))).toBe(
      'the first step changes b by 1.0e+0 (norm), and ours differs from that by 2.0e+0',
    );
    expect(compare(Float32Array.of(Number.NaN, 1, 6), Float32Array.of(1.1, 1, 6))).toContain('changes a');
    expect(compare(start, Float32Array.of(1.1, 1, 5))).toContain('changes a');
  });

  test('a loss falls at each step', () => {
    expect(fallsOrWhy({ numbers: [3, 2, 1] })).toBeNull();
    expect(fallsOrWhy({ numbers: [3, 2, 2] })).toBe('the loss does not fall: 3.000, 2.000, 2.000');
    expect(fallsOrWhy({ numbers: [3] })).not.toBeNull();
    expect(fallsOrWhy({ numbers: [3, Number.NaN] })).not.toBeNull();
  });
});

test('the work of a ResNet: 41 and 126 million multiplications forward, and some three times that for a step', () => {
  expect(forwardOperations(20) / 2e6).toBeCloseTo(40.55, 1);
  expect(forwardOperations(56) / 2e6).toBeCloseTo(125.5, 0);
  expect(stepOperations(20) / forwardOperations(20)).toBeCloseTo(2.99, 2);
});

describe('lines of JSON', () => {
  test('a row', () => {
    expect(JSON.parse(jsonLine(measured))).toEqual({
      ...{ row: 'kd-step', ratio: 1.152, min: 1.1, max: 1.2 },
      ...{ ours: 360.1, anchor: 312.5, anchorName: 'PyTorch compile' },
    });
  });

  test('a row that is about knowledge', () => {
    expect(JSON.parse(jsonLine({ ...measured, knowledge: { bytes: 800, reckoned: 400 } }))).toMatchObject({ bytes: 800, reckoned: 400 });
  });

  test('a row that is to take a share of the time at most says so, and whether it does', () => {
    const within = { ...measured, timeMost: 1.3, ratio: { median: 0.77, min: 0.7, max: 0.8 } };
    expect(JSON.parse(jsonLine(within))).toMatchObject({ timeMost: 1.3, isTooSlow: false });
    expect(JSON.parse(jsonLine({ ...within, ratio: { ...within.ratio, median: 0.76 } }))).toMatchObject({ timeMost: 1.3, isTooSlow: true });
  });

  test('a row that was skipped, or failed', () => {
    expect(JSON.parse(jsonLine(skipped))).toEqual(skipped);
    expect(JSON.parse(jsonLine(failed))).toEqual(failed);
  });
});

test('the table', () => {
  expect(table([measured, skipped, failed])).toBe(`\
row           ratio  min - max    ours  anchor  images/s of
kd-step        1.15  1.10 - 1.20   360     313  Stillhouse against PyTorch compile; PyTorch eager 290
kd-step-bf16  skipped: no --torch PYTHON
student-step  gate failed against PyTorch: value 1 is 2, the anchor’s 3
kd-step: while Stillhouse ran, the other sides took 9 % of a processor
`);
});

test('the table says of a row that it takes more time than it is to take', () => {
  const row = { ...measured, others: [], notes: ['a note'], timeMost: 1.3 };
  const slow = { ...row, row: 'overhead-nst', ratio: { median: 0.71, min: 0.7, max: 0.8 } };
  const notes = table([row, slow]).split('\n').slice(3, -1);
  expect(notes).toEqual([
    'kd-step: a note',
    "overhead-nst: TOO SLOW: a step takes 1.41 of the anchor's time, of at most 1.3",
    'overhead-nst: a note',
  ]);
});

test('the table has the bytes of the knowledge where a row has them', () => {
  const about: Measured = { ...measured, row: 'overhead-dkd', others: [], notes: [], knowledge: { bytes: 25600, reckoned: 400 } };
  expect(table([about, { ...measured, others: [], notes: [] }, skipped])).toBe(`\
row           ratio  min - max    ours  anchor  bytes  reckoned  images/s of
overhead-dkd   1.15  1.10 - 1.20   360     313  25600       400  Stillhouse against PyTorch compile
kd-step        1.15  1.10 - 1.20   360     313                   Stillhouse against PyTorch compile
kd-step-bf16  skipped: no --torch PYTHON
`);
});
