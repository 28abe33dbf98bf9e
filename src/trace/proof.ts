/**
 * Whether a replay did what the eager step did. Both start from the same state and take the same batch; the numbers
 * differ by rounding, because a graph fuses operations and sums in other orders. Pure.
 */

import type { ArenaEntry } from '../tensor/arena.js';
import type { NativeArray } from './native-backend.js';
import type { Precision } from './trace-notice.js';

/** All that a step leaves behind. */
export interface StepTrail {
  /** By name: the loss, its parts, the knowledge. */
  readonly results: Readonly<Record<string, NativeArray>>;
  /** The parameters and the optimiser's slots afterwards, as arenas. */
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

export interface ProofTolerance {
  /** For each result: norm of the difference by the norm, or by 1 where that is less: a part of the loss may be nearly 0. */
  readonly result: number;
  /** For the change of what holds the gradient as it is (the slots, or without any the weights), and for that of the statistics. */
  readonly gradient: number;
  /** For the change of the weights by slots. Wide: Adam divides by the gradient's size, and makes much of the rounding of those that are nearly 0. */
  readonly weights: number;
}

export const PROOF_TOLERANCE: Readonly<Record<Precision, ProofTolerance>> = {
  fp32: { result: 1e-4, gradient: 1e-2, weights: 0.2 },
  // bfloat16 keeps 8 bits of a number: gradients agree in direction, to some per cent.
  bf16: { result: 0.1, gradient: 0.5, weights: 0.8 },
};

/** As a share of the value that changes: what a small rate adds to a weight is rounded as the weight is. */
const ROUNDING = 1e-5;

export interface ProofOptions {
  readonly before: Pick<StepTrail, 'parameters' | 'slots'>;
  readonly eager: StepTrail;
  readonly replay: StepTrail;
  readonly tolerance: ProofTolerance;
  /** The parameters' places. */
  readonly entries: readonly Pick<ArenaEntry, 'offset' | 'size' | 'trainable'>[];
}

export interface ResultProof {
  readonly eager: Pick<StepTrail, 'results'>;
  readonly replay: Pick<StepTrail, 'results'>;
  readonly tolerance: ProofTolerance;
}

/** The first fault of the replay's results, in words; null: there is none. */
export function resultFault({ eager, replay, tolerance }: ResultProof): string | null {
  for (const [name, expected] of Object.entries(eager.results)) {
    if (!areFinite(expected)) return notFinite(name);
    const error = relativeError(expected, replay.results[name], 1);
    if (!(error <= tolerance.result)) return `the replay's ${name} is off by ${percent(error)}`;
  }
  return null;
}

/** The first fault of the replay, in words; null: there is none. */
export function replayFault({ before, eager, replay, tolerance, entries }: ProofOptions): string | null {
  const fault = resultFault({ eager, replay, tolerance });
  if (fault !== null) return fault;
  const weights = entries.filter(({ trainable }) => trainable);
  const statistics = entries.filter(({ trainable }) => !trainable);
  const parts: readonly [string, number, (trail: ProofOptions['before']) => Float32Array][] = [
    ['slots', tolerance.gradient, ({ slots }) => slots],
    ['weights', before.slots.length > 0 ? tolerance.weights : tolerance.gradient, ({ parameters }) => partsOf(parameters, weights)],
    ['statistics', tolerance.gradient, ({ parameters }) => partsOf(parameters, statistics)],
  ];
  for (const [name, most, read] of parts) {
    if (!areFinite(read(eager))) return notFinite(name);
    const start = read(before);
    const error = relativeError(difference(read(eager), start), difference(read(replay), start), ROUNDING * normOf(start));
    if (!(error <= most)) return `the replay changes the ${name} otherwise than the eager step, by ${percent(error)}`;
  }
  return null;
}

function partsOf(arena: Float32Array, entries: ProofOptions['entries']): Float32Array {
  const parts = new Float32Array(entries.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const { offset, size } of entries) {
    parts.set(arena.subarray(offset, offset + size), at);
    at += size;
  }
  return parts;
}

/** Norm of the difference by that of `expected`, or by `least` where this is more; 0 where nothing differs, NaN when a number is. */
export function relativeError(expected: NativeArray, found: NativeArray | undefined, least = 0): number {
  if (found?.length !== expected.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  for (let i = 0; i < expected.length; i++) error += (expected[i]! - found[i]!) ** 2;
  return error === 0 ? 0 : Math.sqrt(error) / Math.max(normOf(expected), least);
}

function normOf(values: NativeArray): number {
  let squares = 0;
  for (const value of values) squares += value ** 2;
  return Math.sqrt(squares);
}

function areFinite(values: NativeArray): boolean {
  return values.every((value) => Number.isFinite(value));
}

function notFinite(name: string): string {
  return `the eager step's ${name} is not finite: a replay cannot be compared with it`;
}

function difference(after: Float32Array, before: Float32Array): Float32Array {
  return after.map((value, i) => value - before[i]!);
}

function percent(error: number): string {
  return `${Number((100 * error).toPrecision(2))} %`;
}
