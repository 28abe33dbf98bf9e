/** The rule that brings a pair of taps to one shape, as a table; the needs that follow from it. */

import { describe, expect, test } from 'vitest';
import { type AdapterRule, adapterRule, needsOfAdapted } from '../../../src/losses/adapter-rule.js';

const to = (height: number, width: number) => ({ name: 'pool-map', options: { height, width } });
const AVERAGE = { name: 'pool', options: {} };
const NOTHING: AdapterRule = { student: null, other: null, kernel: null };

describe('of two shapes', () => {
  const cases: readonly (readonly [string, readonly number[], readonly number[], AdapterRule | null])[] = [
    ['equal maps', [8, 8, 16], [8, 8, 16], NOTHING],
    ['equal vectors', [64], [64], NOTHING],
    ['equal outputs of another rank', [4, 6], [4, 6], NOTHING],
    ['maps of other channels', [8, 8, 16], [8, 8, 64], { ...NOTHING, kernel: [1, 1, 16, 64] }],
    ['maps of fewer channels', [8, 8, 64], [8, 8, 16], { ...NOTHING, kernel: [1, 1, 64, 16] }],
    ["a larger student's map", [16, 16, 32], [8, 8, 32], { ...NOTHING, student: to(8, 8) }],
    ["a larger teacher's map", [8, 8, 32], [16, 16, 32], { ...NOTHING, other: to(8, 8) }],
    ['maps that differ in all', [7, 7, 32], [14, 14, 256], { student: null, other: to(7, 7), kernel: [1, 1, 32, 256] }],
    ['each side larger on one axis', [4, 9, 2], [6, 5, 3], { student: to(4, 5), other: to(4, 5), kernel: [1, 1, 2, 3] }],
    ['vectors of other lengths', [64], [256], { ...NOTHING, kernel: [64, 256] }],
    ['a map beside a vector', [8, 8, 64], [256], { student: AVERAGE, other: null, kernel: [64, 256] }],
    ['a vector beside a map', [64], [4, 4, 64], { student: null, other: AVERAGE, kernel: null }],
    ['a map of one place beside a vector', [1, 1, 64], [64], { student: AVERAGE, other: null, kernel: null }],
    ['other outputs of two axes', [4, 6], [4, 7], null],
    ['a sequence beside a map', [4, 6], [4, 6, 1], null],
  ];
  test.each(cases)('%s', (_, student, other, rule) => {
    expect(adapterRule(student, other)).toEqual(rule);
  });
});

describe('needs', () => {
  const SHAPES: Readonly<Record<string, readonly number[]>> = { map: [8, 8, 4], small: [4, 4, 4], wide: [4, 4, 6], odd: [4, 6] };
  const shapeOf = (layer: string) => SHAPES[layer] as readonly number[];
  const needsOf = (...taps: (readonly [string, string])[]) => needsOfAdapted({ taps }, { student: shapeOf, other: shapeOf });

  test('each pair has its taps, and the adapters that it needs by the number of the pair', () => {
    expect(needsOf(['map', 'small'], ['map', 'map'], ['small', 'wide'])).toEqual({
      student: [
        { of: 'tap', layer: 'map', reduce: to(4, 4) },
        { of: 'tap', layer: 'map', reduce: null },
        { of: 'tap', layer: 'small', reduce: null },
      ],
      other: ['small', 'map', 'wide'].map((layer) => ({ of: 'tap', layer, reduce: null })),
      adapters: [
        { name: 'pair3-kernel', shape: [1, 1, 4, 6], initial: 'kaiming', decays: true },
        { name: 'pair3-bias', shape: [6], initial: 0, decays: false },
      ],
    });
  });

  test('a pair that no rule fits is refused, with both layers and their shapes', () => {
    expect(() => needsOf(['map', 'odd'])).toThrow(
      expect.objectContaining({
        code: 'model.invalid',
        message: expect.stringMatching(/^the layers "map" \[8, 8, 4\] and "odd" \[4, 6\] cannot be brought to one shape\. Tap two/),
      }),
    );
  });
});
