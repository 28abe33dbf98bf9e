/**
 * Leads the round under way, of any sort: every event that concerns it passes through here to the file that
 * leads such rounds. The only list of the sorts.
 */

import type { Incarnation } from '../../src/base/ids.js';
import { EVALUATION_ROUND } from './evaluation-round.js';
import { EXPORT_ROUND } from './export-round.js';
import { cellsOf } from './grid.js';
import type { Member } from './roster.js';
import type { Round } from './round.js';
import type { Charge, Conclusion, Leaver, RoundReport, RoundSort } from './round-sort.js';
import { GRID_ROUND } from './training-round.js';
import type { Turn } from './turn.js';

const SORTS: { readonly [S in Round['sort']]: RoundSort<Extract<Round, { sort: S }>> } = {
  grid: GRID_ROUND,
  evaluate: EVALUATION_ROUND,
  export: EXPORT_ROUND,
};

/** The sort of a round. The table gives each sort the rounds of that sort, so the cast is safe. */
function sortOf(round: Round): RoundSort<Round> {
  return SORTS[round.sort] as RoundSort<Round>;
}

function roundOf(turn: Turn): Round | null {
  return turn.state.stage?.round ?? null;
}

/** Whether the incarnation has a share in the round under way. */
export function isInRound(turn: Turn, incarnation: Incarnation): boolean {
  const round = roundOf(turn);
  return round !== null && sortOf(round).members(round).includes(incarnation);
}

/** Enters a report about the round under way; ignores a report about another round. Returns the charge that it makes against a member, or null. */
export function onReport(turn: Turn, member: Member, message: RoundReport): Charge | null {
  const round = roundOf(turn);
  return round?.id === message.round ? sortOf(round).onReport(turn, round, { member, message }) : null;
}

/** Takes the member out of the round under way, and its share goes back. The member may go on living. */
export function withdraw(turn: Turn, member: Leaver['member'], reason: string): void {
  const round = roundOf(turn);
  if (round !== null && isInRound(turn, member.incarnation)) sortOf(round).withdraw(turn, round, { member, reason });
}

/** Takes all members out of the round under way, for a reason that is nobody's fault: it is over without a result. */
export function abandonRound(turn: Turn, reason: string): void {
  const round = roundOf(turn);
  if (round !== null) sortOf(round).withdrawAll(turn, round, reason);
}

/** The peer that the member trains in the round under way; null when it trains none. */
export function peerInRound(turn: Turn, incarnation: Incarnation): string | null {
  const round = roundOf(turn);
  if (round?.sort !== 'grid') return null;
  return cellsOf(round.grid).find((cell) => cell.incarnation === incarnation)?.peer ?? null;
}

/**
 * Ends the round under way soon, because the run stops or because a member leaves and has a share in it.
 * The round keeps as much of the trained work as it can.
 */
export function concludeRound(turn: Turn, why: Conclusion): void {
  const round = roundOf(turn);
  if (round !== null) sortOf(round).conclude(turn, round, why);
}

/** Called at every turn; acts when the deadline of the round under way, or of its phase, is over. Returns the charges that this makes. */
export function onRoundDeadline(turn: Turn): readonly Charge[] {
  const round = roundOf(turn);
  return round !== null && turn.nowMs >= round.deadlineMs ? sortOf(round).onDeadline(turn, round) : [];
}
