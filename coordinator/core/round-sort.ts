/** The one interface through which the rest of the core leads a round, whatever its sort. Owns types only. */

import type { Incarnation } from '../../src/base/ids.js';
import type { WorkerMessage } from '../../src/protocol/control.js';
import type { Member } from './roster.js';
import type { Turn } from './turn.js';

/** A worker's report about a round. */
export type RoundReport = Extract<WorkerMessage, { round: unknown }>;

/** Something that a report says against a member; failing.ts decides what it costs. */
export interface Charge {
  /** `untrue`: it said what cannot be. `unreachable`: another could not fetch its contribution. */
  readonly type: 'untrue' | 'unreachable';
  readonly incarnation: Incarnation;
  readonly reason: string;
}

/** `R`: the data of this sort of round. Every call is about the round under way, which is `round`. */
export interface RoundSort<R> {
  /** Everybody with a share in it. */
  members(round: R): readonly Incarnation[];
  /** Enters a report about this round. Reports that it does not wait for change nothing. */
  onReport(turn: Turn, round: R, report: { readonly member: Member; readonly message: RoundReport }): Charge | null;
  /** A member no longer counts in it: its share goes back. */
  withdraw(turn: Turn, round: R, out: { readonly incarnation: Incarnation; readonly reason: string }): void;
  /** Nobody counts in it any more: the round is over, and nothing comes of it. */
  withdrawAll(turn: Turn, round: R, reason: string): void;
  /** The round is to end soon, with as little lost as can be: because the run stops, or this member leaves. */
  conclude(turn: Turn, round: R, why: { readonly leaver: Incarnation | null; readonly reason: string }): void;
  onDeadline(turn: Turn, round: R): void;
  /** An export is on the coordinator's disk; `incarnation` put it. */
  onArtifact(turn: Turn, round: R, incarnation: Incarnation): void;
}
