/**
 * What a student holds between steps: the committed state, its own arena of the round, and the average that waits for
 * the commit. Pure; the arrays are never changed once they are in here, because peers may be reading them.
 *
 * Invariants: the ranges of a state are exactly the samples that its parameters contain; a sample that would be in them
 * twice is a bug and ends the process (mergeRanges asserts it).
 */

import { assert } from '../../src/base/assert.js';
import type { RoundId } from '../../src/base/ids.js';
import { mergeRanges, subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Base } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';

/** Parameters that everybody agrees on, or the initial ones (round 0). */
export interface CommittedState {
  readonly stage: string;
  readonly round: number;
  /** Of the parameters; null in round 0. */
  readonly hash: string | null;
  /** The samples that the parameters contain, ascending. */
  readonly ranges: readonly Range[];
  readonly parameters: Float32Array;
  /** Of this student's own optimiser. */
  readonly slots: Float32Array;
}

/** What came of training one's own ranges in a round, before any average. */
export interface TrainedArena {
  readonly stage: string;
  readonly round: RoundId;
  /** What it started from. */
  readonly base: CommittedState;
  /** All samples in the parameters: those of the base and the student's own of this round. */
  readonly ranges: readonly Range[];
  /** Of this round. */
  readonly samples: number;
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

/** An average of a round. It is committed when the coordinator says so. */
export type Candidate = CommittedState & { readonly hash: string };

/** Whether the state is the one that a round is to start from. */
export function isBase(state: CommittedState | null, stage: string, base: Pick<Base, 'round' | 'hash'>): state is CommittedState {
  return state !== null && state.stage === stage && state.round === base.round && state.hash === base.hash;
}

/** The arena after training `ranges` on top of the base. Asserts that the base does not contain them already. */
export function trainedArena(options: {
  readonly base: CommittedState;
  readonly round: RoundId;
  /** The student's own, of this round. */
  readonly ranges: readonly Range[];
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}): TrainedArena {
  const { base, round, ranges, parameters, slots } = options;
  const contained = mergeRanges([...base.ranges, ...ranges]);
  return { stage: base.stage, round, base, ranges: contained, samples: totalOf(ranges), parameters, slots };
}

/** The samples of this round alone that an arena contains; null when it did not start from the same base. */
export function ownRanges(base: CommittedState, ranges: readonly Range[]): Range[] | null {
  return subtractRanges(base.ranges, ranges).length === 0 ? subtractRanges(ranges, base.ranges) : null;
}

/** The state that an average of arenas makes. `contributed`: the ranges of each contributor, without the base's. */
export function candidateOf(
  own: TrainedArena,
  average: { readonly parameters: Float32Array; readonly hash: string; readonly contributed: readonly (readonly Range[])[] },
): Candidate {
  const ranges = mergeRanges([...own.base.ranges, ...average.contributed.flat()]);
  assert(subtractRanges(own.ranges, ranges).length === 0, `round ${own.round}: the average does not contain this student's own samples`);
  const { stage, round, slots } = own;
  return { stage, round, hash: average.hash, ranges, parameters: average.parameters, slots };
}
