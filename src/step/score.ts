/** What the logits of a batch are worth, on plain typed arrays. Logits are [B, K], labels [B]. */

import type { EvaluateResult, StepResult } from './step-program.js';

/** A training step's result from what came out of it; the logits are those before the update, in training mode. */
export function stepResult(
  { lossSum, terms, logits }: Pick<StepResult, 'lossSum' | 'terms'> & { readonly logits: Float32Array },
  labels: Int32Array,
  classes: number,
): StepResult {
  return { lossSum, terms, count: labels.length, correct: countHits(logits, labels, classes), finite: Number.isFinite(lossSum) };
}

/** Loss and hits of logits in inference mode. */
export function evaluateLogits(logits: Float32Array, labels: Int32Array, classes: number): EvaluateResult {
  return { lossSum: crossEntropySum(logits, labels, classes), correct: countHits(logits, labels, classes), count: labels.length };
}

/** How many rows have their largest logit at the label; the first of equals counts. A row with a NaN is no hit. */
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
