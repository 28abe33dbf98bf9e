/**
 * Whether a replay did what the eager step did. Both start from the same state and take the same batch. The numbers
 * differ by rounding, because a graph fuses operations and sums in other orders. Pure.
 */

import type { ArenaEntry } from '../tensor/arena.js';
import type { NativeArray } from './native-backend.js';
import type { Precision } from './trace-notice.js';

/** The results of a step and the state after it. */
export interface StepTrail {
  /** By name: the loss, its parts, the knowledge. */
  readonly results: Readonly<Record<string, NativeArray>>;
  /** The parameters and the optimiser's slots after the step, as arenas. */
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

export interface ProofTolerance {
  /** For each result: the norm of the difference, divided by the norm or by 1 where that is larger, because a loss term may be nearly 0. */
  readonly result: number;
  /** For the change of the values that hold the gradient as it is (the slots, or the weights where there are no slots), and for the change of the statistics and of the memory. */
  readonly gradient: number;
  /** For the change of the weights by slots. It is wide: Adam divides by the gradient's size, and so enlarges the rounding of gradients that are nearly 0. */
  readonly weights: number;
}

export const PROOF_TOLERANCE: Readonly<Record<Precision, ProofTolerance>> = {
  fp32: { result: 1e-4, gradient: 1e-2, weights: 0.2 },
  // bfloat16 keeps 8 bits of a number: gradients agree in direction, to some per cent.
  bf16: { result: 0.1, gradient: 0.5, weights: 0.8 },
};

/** A share of the norm of the values that change: the small change of a weight is rounded as the weight is. */
const ROUNDING = 1e-5;

export interface ProofOptions {
  readonly before: Pick<StepTrail, 'parameters' | 'slots'>;
  readonly eager: StepTrail;
  readonly replay: StepTrail;
  readonly tolerance: ProofTolerance;
  /** The entries of the parameters. */
  readonly entries: readonly Pick<ArenaEntry, 'name' | 'kind' | 'offset' | 'size' | 'trainable'>[];
}

export interface ResultProof {
  readonly eager: Pick<StepTrail, 'results'>;
  readonly replay: Pick<StepTrail, 'results'>;
  readonly tolerance: ProofTolerance;
}

/** The first fault of the replay's results, in words; null when there is none. */
export function resultFault({ eager, replay, tolerance }: ResultProof): string | null {
  for (const [name, expected] of Object.entries(eager.results)) {
    if (!areFinite(expected)) return notFinite(name);
    const error = relativeError(expected, replay.results[name], 1);
    if (!(error <= tolerance.result)) return `the replay's ${name} is off by ${percent(error)}`;
  }
  return null;
}

/** The first fault of the replay's results or of its state, in words; null when there is none. */
export function replayFault({ before, eager, replay, tolerance, entries }: ProofOptions): string | null {
  const fault = resultFault({ eager, replay, tolerance });
  if (fault !== null) return fault;
  const weights = entries.filter(({ trainable }) => trainable);
  const statistics = entries.filter(({ trainable, kind }) => !trainable && kind !== 'memory');
  const memory = entries.filter(({ kind }) => kind === 'memory');
  const parts: readonly (readonly [string, number, (trail: ProofOptions['before']) => Float32Array])[] = [
    ['slots', tolerance.gradient, ({ slots }) => slots],
    ['weights', before.slots.length > 0 ? tolerance.weights : tolerance.gradient, ({ parameters }) => partsOf(parameters, weights)],
    ['statistics', tolerance.gradient, ({ parameters }) => partsOf(parameters, statistics)],
    // Each by itself: a number of a thousand would hide a row of length 1.
    ...memory.map((entry) => {
      const read = ({ parameters }: ProofOptions['before']) => partsOf(parameters, [entry]);
      return [entry.name, tolerance.gradient, read] as const;
    }),
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

/** The norm of the difference, divided by the larger of `least` and the norm of `expected`; 0 when nothing differs, NaN when a number is NaN. */
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
