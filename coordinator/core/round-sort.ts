/** The one interface through which the rest of the core leads a round of any sort. Owns types only. */

import type { Incarnation } from '../../src/base/ids.js';
import type { WorkerMessage } from '../../src/protocol/control.js';
import type { Member } from './roster.js';
import type { Turn } from './turn.js';

/** A worker's report about a round. */
export type RoundReport = Extract<WorkerMessage, { round: unknown }>;

/** A charge against a member in a report; failing.ts decides its cost. */
export interface Charge {
  /** `untrue`: it reported something impossible. `unreachable`: another student got no answer from it. */
  readonly type: 'untrue' | 'unreachable';
  readonly incarnation: Incarnation;
  readonly reason: string;
}

/** `R` is the data of this sort of round. Every call is about the round under way, which is `round`. */
export interface RoundSort<R> {
  /** All incarnations with a share in it. */
  members(round: R): readonly Incarnation[];
  /** Enters a report about this round. A report that it does not wait for changes nothing. Returns a charge against a member, or null. */
  onReport(turn: Turn, round: R, report: { readonly member: Member; readonly message: RoundReport }): Charge | null;
  /** Takes a member out of it, and gives its share back. */
  withdraw(turn: Turn, round: R, out: { readonly incarnation: Incarnation; readonly reason: string }): void;
  /** Takes all members out of it: the round is over without a result. */
  withdrawAll(turn: Turn, round: R, reason: string): void;
  /** Ends the round soon, with as little loss as possible, because the run stops or this member leaves. */
  conclude(turn: Turn, round: R, why: { readonly leaver: Incarnation | null; readonly reason: string }): void;
  onDeadline(turn: Turn, round: R): void;
  /** An export is on the coordinator's disk; `incarnation` sent it. */
  onArtifact(turn: Turn, round: R, incarnation: Incarnation): void;
}
