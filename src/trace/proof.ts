/**
 * Whether a replay did what the eager step did. Both start from the same state and take the same batch; the numbers
 * differ by rounding, because a graph fuses operations and sums in other orders. Pure.
 */

import type { NativeArray } from './native-backend.js';
import type { Precision } from './trace-notice.js';

/** What a step leaves behind. */
export interface StepTrail {
  /** By name: the loss, its terms, the logits. */
  readonly results: Readonly<Record<string, NativeArray>>;
  /** The parameters and the optimiser's slots afterwards, as arenas. */
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

export interface ProofTolerance {
  /** Of each result: norm of the difference by the norm, or by 1 where that is less: a term of the loss may be nearly 0. */
  readonly result: number;
  /** Of the change of the slots: they hold the gradient as it is. */
  readonly slots: number;
  /** Of the change of the parameters. Wide: Adam divides by the gradient's size, and makes much of the rounding of those that are nearly 0. */
  readonly parameters: number;
}

export const PROOF_TOLERANCE: Readonly<Record<Precision, ProofTolerance>> = {
  fp32: { result: 1e-4, slots: 1e-2, parameters: 0.2 },
  // bfloat16 keeps 8 bits of a number: gradients agree in direction, to some per cent.
  bf16: { result: 0.1, slots: 0.5, parameters: 0.8 },
};

export interface ProofOptions {
  readonly before: Pick<StepTrail, 'parameters' | 'slots'>;
  readonly eager: StepTrail;
  readonly replay: StepTrail;
  readonly tolerance: ProofTolerance;
}

export interface ResultProof {
  readonly eager: Pick<StepTrail, 'results'>;
  readonly replay: Pick<StepTrail, 'results'>;
  readonly tolerance: ProofTolerance;
}

/** What is wrong with the replay's results, in words; null: nothing. */
export function resultFault({ eager, replay, tolerance }: ResultProof): string | null {
  for (const [name, expected] of Object.entries(eager.results)) {
    if (!areFinite(expected)) return notFinite(name);
    const error = relativeError(expected, replay.results[name], 1);
    if (!(error <= tolerance.result)) return `the replay's ${name} is off by ${percent(error)}`;
  }
  return null;
}

/** What is wrong with the replay, in words; null: nothing. */
export function replayFault({ before, eager, replay, tolerance }: ProofOptions): string | null {
  const fault = resultFault({ eager, replay, tolerance });
  if (fault !== null) return fault;
  for (const arena of ['slots', 'parameters'] as const) {
    if (!areFinite(eager[arena])) return notFinite(arena);
    const error = relativeError(difference(eager[arena], before[arena]), difference(replay[arena], before[arena]));
    if (!(error <= tolerance[arena])) return `the replay changes the ${arena} otherwise than the eager step, by ${percent(error)}`;
  }
  return null;
}

/** Norm of the difference by that of `expected`, or by `least` where this is more; 0 where nothing differs, NaN when a number is. */
export function relativeError(expected: NativeArray, found: NativeArray | undefined, least = 0): number {
  if (found?.length !== expected.length) return Number.POSITIVE_INFINITY;
  let error = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    error += (expected[i]! - found[i]!) ** 2;
    norm += expected[i]! ** 2;
  }
  return error === 0 ? 0 : Math.sqrt(error) / Math.max(Math.sqrt(norm), least);
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
