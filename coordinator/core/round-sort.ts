/** The one interface through which the rest of the core leads a round of any sort. Owns types only. */

import type { Incarnation } from '../../src/base/ids.js';
import type { WorkerMessage } from '../../src/protocol/control.js';
import type { Member } from './roster.js';
import type { Turn } from './turn.js';

/** A worker's report about a round. */
export type RoundReport = Extract<WorkerMessage, { round: unknown }>;

/** A charge against a member in a report; failing.ts decides its cost. */
export interface Charge {
  /**
   * `untrue`: it reported something impossible. `unreachable`: another student got no answer from it. `late`: the others of its row may have waited
   * for its first step, until the deadline.
   */
  readonly type: 'untrue' | 'unreachable' | 'late';
  readonly incarnation: Incarnation;
  readonly reason: string;
}

/** A member that leaves the round. It need not be in the roster any more. */
export interface Leaver {
  readonly member: Pick<Member, 'incarnation' | 'worker'>;
  /** The reason, in words for this member. */
  readonly reason: string;
}

/** Why a round is to end soon: the run stops (`member` is null), or this member leaves. */
export interface Conclusion {
  readonly member: Leaver['member'] | null;
  readonly reason: string;
}

/** `R` is the data of this sort of round. Every call is about the round under way, which is `round`. */
export interface RoundSort<R> {
  /** All incarnations with a share in it. */
  members(round: R): readonly Incarnation[];
  /** Enters a report about this round. A report that it does not wait for changes nothing. Returns a charge against a member, or null. */
  onReport(turn: Turn, round: R, report: { readonly member: Member; readonly message: RoundReport }): Charge | null;
  /** Takes a member out of it, and gives its share back. */
  withdraw(turn: Turn, round: R, leaver: Leaver): void;
  /** Takes all members out of it, for a reason that is nobody's fault: the round is over without a result. */
  withdrawAll(turn: Turn, round: R, reason: string): void;
  /** Ends the round soon, with as little loss as possible. */
  conclude(turn: Turn, round: R, why: Conclusion): void;
  /** Acts when the deadline is over. Returns the charges that this makes. */
  onDeadline(turn: Turn, round: R): readonly Charge[];
}
