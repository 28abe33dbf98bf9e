/** Charges against members of a round, and the words in which each member hears why its part of the round is dropped. */

import type { Incarnation } from '../../src/base/ids.js';
import { spellPeer } from '../../src/config/peer.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import { cutText } from '../../src/protocol/field.js';
import type { Seat } from './grid.js';
import type { Round } from './round.js';
import type { Charge, Leaver } from './round-sort.js';
import { log, type Turn } from './turn.js';

/** The reason, in words for this member, why its part is dropped. */
export type ReasonFor = (incarnation: Incarnation) => string;

/** The reasons where one member has to leave: the others hear who it is. `seats` are the members of the round, models of this stage. */
export function reasonsBy(
  { member, reason }: Leaver,
  { stage, seats }: { readonly stage: string; readonly seats: readonly Seat[] },
): ReasonFor {
  const seat = seats.find(({ incarnation }) => incarnation === member.incarnation);
  const who = seat === undefined ? member.worker : `${member.worker} (${spellPeer({ stage, peer: seat.peer })})`;
  return (incarnation) => (incarnation === member.incarnation ? reason : cutText(`${who}: ${reason}`));
}

/** The charge against a replica that did not hand over its contribution, or (attempt 0) a cell that its column waits for. */
export function unreachable(turn: Turn, { id }: Round, message: WorkerMessageOf<'worker.unreachable'>): Charge {
  const { incarnation: reporter, replica, attempt } = message;
  const isCell = attempt === 0;
  log(turn, ['warn', isCell ? 'round.cellUnreachable' : 'round.replicaUnreachable'], {
    round: id,
    reporter,
    replica,
    message: message.message,
  });
  const reason = isCell ? 'a cell that exchanges with it could not reach it' : 'a replica could not reach it';
  return { type: 'unreachable', incarnation: replica, reason };
}
