/** Rounds in which one student writes the stage's model as a tf.LayersModel, and puts it to the coordinator. */

import type { PeerName } from '../../src/config/peer.js';
import { assign } from './assignment.js';
import { countFailure } from './ending.js';
import type { ReadyMember } from './roster.js';
import type { ExportRound } from './round.js';
import type { RoundSort } from './round-sort.js';
import { sendTo, setStage, type Turn, takeRoundId } from './turn.js';

/** Has the first of these students export the model `subject`. */
export function startExport(turn: Turn, [student]: readonly ReadyMember[], subject: PeerName): void {
  if (student === undefined) return;
  const id = takeRoundId(turn);
  const deadlineMs = turn.nowMs + turn.state.plan.timing.firstRoundMs;
  setStage(turn, { round: { sort: 'export', id, member: student.incarnation, deadlineMs } });
  assign(turn, student.incarnation, { round: id, subject, work: { kind: 'export' } });
}

/** How an export is led. When its member is lost, another student begins it again. */
export const EXPORT_ROUND: RoundSort<ExportRound> = {
  members: ({ member }) => [member],
  onReport: () => null,
  withdraw: (turn, round, { reason }) => EXPORT_ROUND.withdrawAll(turn, round, reason),

  withdrawAll(turn, round, reason) {
    setStage(turn, { round: null });
    sendTo(turn, round.member, { type: 'coordinator.abandon', round: round.id, reason });
  },

  conclude(turn, round, { member, reason }) {
    if (member === null || member.incarnation === round.member) EXPORT_ROUND.withdrawAll(turn, round, reason);
  },

  onDeadline(turn, round) {
    EXPORT_ROUND.withdrawAll(turn, round, 'the deadline is over');
    countFailure(turn, 'transport.deadline', 'an export took too long');
  },

  /** The export is on disk, if it came from the member that was asked for it. */
  onArtifact(turn, round, incarnation) {
    if (round.member === incarnation) setStage(turn, { round: null, isExported: true, failures: 0 });
  },
};
