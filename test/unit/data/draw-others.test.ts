import { expect, test } from 'vitest';
import { fillWords, hashWords } from '../../../src/base/prng.js';
import { drawOthers } from '../../../src/data/draw-others.js';

const KEY = { seed: 3, epoch: 2, size: 20 };
const rowsOf = (drawn: Int32Array, count: number): number[][] =>
  Array.from({ length: drawn.length / count }, (_, row) => [...drawn.subarray(row * count, (row + 1) * count)]);

test('each sample gets so many others, none twice and never itself', () => {
  const samples = Int32Array.of(0, 7, 19, 4);
  for (const count of [1, 5, 19]) {
    rowsOf(drawOthers(KEY, samples, count), count).forEach((row, i) => {
      const others = new Set(row);
      expect(others.size).toBe(count);
      expect(others.has(samples[i]!)).toBe(false);
      expect(row.every((sample) => 0 <= sample && sample < 20)).toBe(true);
    });
  }
});

test('they depend on seed, epoch and sample alone, and not on the batch', () => {
  const alone = [...drawOthers(KEY, Int32Array.of(7), 6)];
  expect(rowsOf(drawOthers(KEY, Int32Array.of(3, 7, 0), 6), 6)[1]).toEqual(alone);
  for (const other of [
    { ...KEY, seed: 4 },
    { ...KEY, epoch: 3 },
  ])
    expect([...drawOthers(other, Int32Array.of(7), 6)]).not.toEqual(alone);
  expect([...drawOthers(KEY, Int32Array.of(8), 6)]).not.toEqual(alone);
});

test('every other sample is as likely at every place', () => {
  const [size, count, epochs] = [6, 3, 6000];
  const seen = Array.from({ length: count }, () => new Array<number>(size).fill(0));
  for (let epoch = 0; epoch < epochs; epoch++) {
    drawOthers({ seed: 1, epoch, size }, Int32Array.of(2), count).forEach((sample, place) => {
      seen[place]![sample]! += 1;
    });
  }
  // Each of five has a share of 1/5, with a deviation of sqrt(6000 * 0.16) = 31.
  for (const counts of seen) {
    counts.forEach((times, sample) => {
      expect(Math.abs(times - (sample === 2 ? 0 : epochs / 5))).toBeLessThan(125);
    });
  }
});

test('the draws are those of earlier builds: a run that goes on contrasts with the same samples', () => {
  expect([...drawOthers({ seed: 1, epoch: 0, size: 500 }, Int32Array.of(0, 499), 4)]).toEqual([405, 316, 165, 269, 106, 448, 299, 358]);
});

test('many words under one key are those drawn one by one', () => {
  for (const [key, length] of [
    [0, 3],
    [0xffffffff, 40],
    [0x80000001, 7],
  ] as const) {
    const words = new Int32Array(length);
    fillWords(key, words);
    expect([...words].map((word) => word >>> 0)).toEqual(Array.from({ length }, (_, i) => hashWords(key, i)));
  }
});

test('draws of another number of samples in between change nothing', () => {
  const before = [...drawOthers(KEY, Int32Array.of(7, 3), 6)];
  drawOthers({ ...KEY, size: 50 }, Int32Array.of(7, 49), 49);
  expect([...drawOthers(KEY, Int32Array.of(7, 3), 6)]).toEqual(before);
});

test.each([0, 20, 21])('%i others of 20 are a mistake of the caller', (count) => {
  expect(() => drawOthers(KEY, Int32Array.of(1), count)).toThrow(`${count} other samples of 20`);
});
