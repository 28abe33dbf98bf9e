/**
 * A student's states between steps: the committed state, the state that it has trained in the round, and the average that waits
 * for the commit. Pure; an array in a state is never changed, because replicas may be reading it.
 *
 * Invariants: the ranges of a state are exactly the samples that its parameters contain; a sample that would be in them
 * twice is a bug and ends the process (mergeRanges asserts it).
 */

import { assert } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { mergeRanges, subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Base, Contributor } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import { isSameState, type StateName } from '../../src/protocol/state-name.js';

/** Parameters that all members agree on, or the initial ones (round 0). */
export interface CommittedState {
  readonly state: StateName;
  /** Null in round 0, and until the hash is computed. */
  readonly hash: string | null;
  /** The samples that the parameters contain, ascending. */
  readonly ranges: readonly Range[];
  /** Null when the parameters are in the program alone. */
  readonly parameters: Float32Array | null;
  /** The slots of this student's own optimiser. Null when they are in the program alone, or in round 0, where the program begins with them. */
  readonly slots: Float32Array | null;
  /** The column for which the slots were taken from a checkpoint (null: for none); 'own' where they are of no checkpoint. */
  readonly slotsFor: number | null | 'own';
  /** Whether both arrays are there and known to be finite. Such a state may be handed out. */
  readonly isChecked: boolean;
}

/** A state whose arrays were read out and checked. */
export interface CheckedState extends CommittedState {
  readonly hash: string;
  readonly parameters: Float32Array;
  readonly slots: Float32Array;
}

/** Whether the state may be handed out as it is. */
export function isChecked(state: CommittedState): state is CheckedState {
  return state.isChecked;
}

/** The result of training one's own ranges in a round, before any average. */
export interface TrainedState {
  /** The name that it has when it is committed. */
  readonly state: StateName;
  /** The samples of the state that it started from. */
  readonly base: readonly Range[];
  /** All samples in the parameters: those of the base and the student's own of this round. */
  readonly ranges: readonly Range[];
  /** The number of samples of this round. */
  readonly samples: number;
  /** Null in a round of one replica, where the parameters are in the program alone. */
  readonly parameters: Float32Array | null;
}

/** An average of a round. It is committed when the coordinator says so. */
export interface Candidate {
  readonly state: StateName;
  readonly hash: string;
  readonly ranges: readonly Range[];
  readonly parameters: Float32Array;
}

/** Whether the state is the one that a round is to start from. Where a hash is not known, the name decides. */
export function isBase(held: CommittedState | null, base: Pick<Base, 'state' | 'hash'>): held is CommittedState {
  if (held === null || !isSameState(held.state, base.state)) return false;
  return held.hash === null || base.hash === null || held.hash === base.hash;
}

/** Whether the state has the slots with which this column goes on (null: it is not trained on, so that any will do). */
export function hasSlotsFor({ slotsFor }: CommittedState, column: number | null): boolean {
  return column === null || slotsFor === 'own' || slotsFor === column;
}

/** The state that comes of training `own` on top of another state. Asserts that that state does not contain the samples of `own`. */
export function trainedState(options: {
  readonly state: StateName;
  /** The samples of the state that it started from. */
  readonly base: readonly Range[];
  /** The student's own samples of this round. */
  readonly own: readonly Range[];
  readonly parameters: Float32Array | null;
}): TrainedState {
  const { state, base, own, parameters } = options;
  return { state, base, ranges: mergeRanges([...base, ...own]), samples: totalOf(own), parameters };
}

/** The samples of this round alone among `ranges`; null when `ranges` did not start from the same base. */
export function ownRanges(base: readonly Range[], ranges: readonly Range[]): Range[] | null {
  return subtractRanges(base, ranges).length === 0 ? subtractRanges(ranges, base) : null;
}

/** Says what is wrong with the samples in another replica's parameters; null when nothing is. */
export function rangesProblem({ base }: TrainedState, { samples }: Contributor, ranges: readonly Range[]): string | null {
  const own = ownRanges(base, ranges);
  if (own === null) return 'the parameters did not start from the same ones';
  return totalOf(own) === samples ? null : `the parameters contain ${totalOf(own)} samples of the round, not ${samples}`;
}

/** The state of an average. `contributed` has all samples of each contributor, which rangesProblem has checked. */
export function candidateOf(
  own: TrainedState,
  average: { readonly parameters: Float32Array; readonly hash: string; readonly contributed: readonly (readonly Range[])[] },
): Candidate {
  const parts = average.contributed.flatMap((ranges) => ownRanges(own.base, ranges) ?? []);
  const ranges = mergeRanges([...own.base, ...parts]);
  assert(
    subtractRanges(own.ranges, ranges).length === 0,
    `round ${own.state.round}: the average does not contain this student's own samples`,
  );
  return { state: own.state, hash: average.hash, ranges, parameters: average.parameters };
}

/** The committed state of an average. The slots stay in the program, which trained them. */
export function commitAverage({ state, hash, ranges, parameters }: Candidate): CommittedState {
  return { state, hash, ranges, parameters, slots: null, slotsFor: 'own', isChecked: false };
}

/** The committed state of a row of one: the state that the student has trained. */
export function commitTrained({ state, ranges, parameters }: TrainedState): CommittedState {
  return { state, hash: null, ranges, parameters, slots: null, slotsFor: 'own', isChecked: false };
}

/**
 * Whether the trained state is the base of a round, although no commit message has come: a base without a hash is the state
 * of its only contributor, which is named as its holder.
 */
export function isOwnBase(trained: TrainedState | null, base: Base, self: Incarnation): trained is TrainedState {
  if (trained === null || base.hash !== null || !isSameState(trained.state, base.state)) return false;
  return base.sources.some(({ incarnation }) => incarnation === self);
}
