/** Charges against members of a round that others cannot reach: replicas of their row, or cells of their column. */

import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Round } from './round.js';
import type { Charge } from './round-sort.js';
import { log, type Turn } from './turn.js';

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
  const reason = isCell ? 'a cell of its column could not reach it' : 'a replica could not reach it';
  return { type: 'unreachable', incarnation: replica, reason };
}
