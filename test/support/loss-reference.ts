/** The losses once more, in float64 and as their formulas are written in the papers: one sample, plain arrays. */

import { Prng } from '../../src/base/prng.js';

export function softmax(logits: readonly number[], temperature = 1): number[] {
  const largest = Math.max(...logits);
  const exponentials = logits.map((z) => Math.exp((z - largest) / temperature));
  const sum = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((e) => e / sum);
}

export function crossEntropyOf(logits: readonly number[], label: number, epsilon = 0): number {
  const p = softmax(logits);
  return -p.reduce((sum, share, k) => sum + ((k === label ? 1 - epsilon : 0) + epsilon / p.length) * Math.log(share), 0);
}

/** T^2 KL(teacher || student). */
export function softTermOf(student: readonly number[], teacher: readonly number[], temperature: number): number {
  const p = softmax(teacher, temperature);
  const q = softmax(student, temperature);
  return temperature ** 2 * p.reduce((sum, share, k) => sum + share * Math.log(share / (q[k] as number)), 0);
}

/** Central differences of a function of [B, K] numbers. */
export function differences(f: (x: readonly number[][]) => number, x: readonly number[][], h = 1e-5): number[][] {
  const moved = (b: number, k: number, by: number) => x.map((row, i) => row.map((v, j) => (i === b && j === k ? v + by : v)));
  return x.map((row, b) => row.map((_, k) => (f(moved(b, k, h)) - f(moved(b, k, -h))) / (2 * h)));
}

/** Logits [B, K] of a size that occurs in training. */
export function someLogits(seed: number, size: number, classes: number): number[][] {
  const random = new Prng(seed);
  return Array.from({ length: size }, () => Array.from({ length: classes }, () => 2 * random.normal()));
}
