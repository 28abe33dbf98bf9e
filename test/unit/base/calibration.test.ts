/** The expected calibration error of a split, and the temperature that fits it. */

import { describe, expect, test } from 'vitest';
import { addSums, calibrationOf, calibrationSums, NO_SUMS, TEMPERATURES } from '../../../src/base/calibration.js';

/** Logits of two classes whose first has this probability. */
const rowOf = (probability: number): [number, number] => [Math.log(probability / (1 - probability)), 0];
const logitsOf = (rows: readonly (readonly number[])[], scale = 1) => Float32Array.from(rows.flat(), (logit) => scale * logit);

describe('the expected calibration error', () => {
  test('by hand: of the odd rows, four say 0.9 and one of them is wrong, four say 0.6 and two are wrong', () => {
    const sure = [0, 0, 0, 1].map((label) => ({ row: rowOf(0.9), label }));
    const unsure = [0, 0, 1, 1].map((label) => ({ row: rowOf(0.6), label }));
    // Each row twice: an even row, which chooses the temperature, and an odd one.
    const rows = [...sure, ...unsure].flatMap((row) => [row, row]);
    const labels = Int32Array.from(rows, ({ label }) => label);
    const { error } = calibrationOf(calibrationSums(logitsOf(rows.map(({ row }) => row)), labels, 0))!;
    expect(error).toBeCloseTo((4 * (0.9 - 0.75) + 4 * (0.6 - 0.5)) / 8, 6);
  });

  test('a model whose logits are four times too large has its error mended by the temperature 4', () => {
    // Seven of each ten rows of a parity are right.
    const labels = Int32Array.from({ length: 200 }, (_, row) => (Math.floor(row / 2) % 10 < 7 ? 0 : 1));
    const logits = logitsOf(
      [...labels].map(() => rowOf(0.7)),
      4,
    );
    const { error, temperature, errorAtTemperature } = calibrationOf(calibrationSums(logits, labels, 0))!;
    expect(temperature).toBe(4);
    expect(errorAtTemperature).toBeCloseTo(0, 6);
    const said = 1 / (1 + (3 / 7) ** 4);
    expect(error).toBeCloseTo(said - 0.7, 6);
  });

  test('the parts of a split add up to the whole, wherever they begin', () => {
    const logits = Float32Array.from({ length: 7 * 5 }, (_, i) => 3 * Math.sin(i * 12.9898));
    const labels = Int32Array.from({ length: 7 }, (_, row) => (row * 3) % 5);
    const part = (from: number, to: number) => calibrationSums(logits.slice(from * 5, to * 5), labels.slice(from, to), from);
    const whole = part(0, 7);
    for (const cut of [1, 2, 5]) {
      const sums = addSums(part(0, cut), part(cut, 7));
      expect(sums.judged).toBe(3);
      for (const [i, loss] of sums.losses.entries()) expect(loss).toBeCloseTo(whole.losses[i]!, 10);
      for (const [i, gap] of sums.gaps.entries()) expect(gap).toBeCloseTo(whole.gaps[i]!, 10);
    }
  });

  test('the temperature is chosen on the even rows alone', () => {
    // The even rows are sure and right, the odd ones sure and wrong.
    const labels = Int32Array.of(0, 1, 0, 1);
    const { temperature, errorAtTemperature } = calibrationOf(calibrationSums(logitsOf(Array.from(labels, () => rowOf(0.9))), labels, 0))!;
    expect(temperature).toBe(TEMPERATURES[0]);
    expect(errorAtTemperature).toBeGreaterThan(0.99);
  });

  test('logits of any finite size give finite sums', () => {
    const { losses, gaps } = calibrationSums(Float32Array.of(3e38, -3e38, -3e38, 3e38, 0, 0), Int32Array.of(1, 1, 0), 0);
    expect([...losses, ...gaps].every(Number.isFinite)).toBe(true);
  });

  test('without an odd row there is none', () => {
    expect(calibrationOf(NO_SUMS)).toBeNull();
    expect(calibrationOf(calibrationSums(Float32Array.of(1, 0), Int32Array.of(0), 4))).toBeNull();
  });
});
