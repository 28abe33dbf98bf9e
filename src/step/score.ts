/** Loss and hits of a batch, on plain typed arrays. Logits are [B, K], labels [B]. */

import { isFiniteArena } from '../tensor/finite.js';
import type { EvaluateResult, StepResult } from './step-program.js';

/** The results of a training step that are read back. */
export interface StepReading {
  /** The loss and its terms by name, means over the batch. */
  readonly mean: number;
  readonly terms: Readonly<Record<string, number>>;
  /** Before the update, in training mode. */
  readonly logits: Float32Array;
}

/** A training step's result: sums over the batch, and hits. */
export function stepResult({ mean, terms, logits }: StepReading, labels: Int32Array, classes: number): StepResult {
  const count = labels.length;
  return {
    lossSum: mean * count,
    terms: Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term * count])),
    count,
    correct: countHits(logits, labels, classes),
    finite: Number.isFinite(mean),
    finiteLogits: Number.isFinite(mean) || isFiniteArena(logits),
  };
}

/** Loss and hits of logits in inference mode. */
export function evaluateLogits(logits: Float32Array, labels: Int32Array, classes: number): EvaluateResult {
  return { lossSum: crossEntropySum(logits, labels, classes), correct: countHits(logits, labels, classes), count: labels.length };
}

/** The number of rows whose largest logit is at the label; the first of equals counts. A row with a NaN is no hit. */
function countHits(logits: Float32Array, labels: Int32Array, classes: number): number {
  let hits = 0;
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    const own = logits[row * classes + label]!;
    let hit = true;
    for (let k = 0; k < classes; k++) {
      const other = logits[row * classes + k]!;
      if (!(k < label ? other < own : other <= own)) hit = false;
    }
    if (hit) hits++;
  }
  return hits;
}

/** The sum over the rows of -log softmax(logits)[label], in float64. */
function crossEntropySum(logits: Float32Array, labels: Int32Array, classes: number): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const start = row * classes;
    let largest = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[start + k]!);
    let exponentials = 0;
    for (let k = 0; k < classes; k++) exponentials += Math.exp(logits[start + k]! - largest);
    sum += largest + Math.log(exponentials) - logits[start + labels[row]!]!;
  }
  return sum;
}
