/** Loss and hits of a batch, on plain typed arrays. Logits are [B, K], labels [B]. */

import type { StageLoss } from '../losses/stage-loss.js';
import { isFiniteArena } from '../tensor/finite.js';
import type { Knowledge } from '../tensor/knowledge.js';
import type { EvaluateResult, StepAnswerBatch, StepResult } from './step-program.js';

/** The results of a training step that are read back. */
export interface StepReading {
  /** The loss and its terms by name, means over the batch. */
  readonly mean: number;
  readonly terms: Readonly<Record<string, number>>;
  /** Before the update, in training mode. */
  readonly logits: Float32Array;
}

/** A training step's result: sums over the batch, hits, and agreement with the teacher, where its logits are among the answers. */
export function stepResult({ mean, terms, logits }: StepReading, { labels, other }: StepAnswerBatch, loss: StageLoss): StepResult {
  const count = labels.classes.length;
  const classes = logits.length / count;
  const teacher = teacherLogits(loss, other);
  return {
    lossSum: mean * count,
    terms: Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term * count])),
    sameAsTeacher: teacher === null ? null : countSameClass(logits, teacher, classes),
    count,
    correct: countHits(logits, labels.classes, classes),
    finite: Number.isFinite(mean),
    finiteLogits: Number.isFinite(mean) || isFiniteArena(logits),
  };
}

/** The teacher's logits among the other side's knowledge, [B, K]; null where the loss does not take them. */
function teacherLogits(loss: Pick<StageLoss, 'sides'>, other: Knowledge): Float32Array | null {
  let start = 0;
  for (const { from, specs, count } of loss.sides) {
    const place = from === 'teacher' ? specs.findIndex(({ of }) => of === 'logits') : -1;
    if (place >= 0) return other[start + place]?.data ?? null;
    start += specs.length * count;
  }
  return null;
}

/** The number of rows whose largest logit is at the same place in both, [B, K] each; the first of equals counts. */
export function countSameClass(a: Float32Array, b: Float32Array, classes: number): number {
  let same = 0;
  for (let start = 0; start < a.length; start += classes) if (largestOf(a, start, classes) === largestOf(b, start, classes)) same++;
  return same;
}

function largestOf(logits: Float32Array, start: number, classes: number): number {
  let best = 0;
  for (let k = 1; k < classes; k++) if (logits[start + k]! > logits[start + best]!) best = k;
  return best;
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
