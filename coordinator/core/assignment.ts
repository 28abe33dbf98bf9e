/** Sends work to a student with the parameters that it starts from: the committed ones of the stage under way. */

import { present } from '../../src/base/assert.js';
import type { Incarnation, RoundId } from '../../src/base/ids.js';
import type { PeerName } from '../../src/config/peer.js';
import type { Base, ColumnCell, EngineAddress, RowCell, Work } from '../../src/protocol/control.js';
import { type Grid, rowOf, type Seat } from './grid.js';
import { committedOf } from './ledger.js';
import { isReady } from './roster.js';
import { sendTo, stageOf, type Turn } from './turn.js';

export interface Assignment {
  readonly round: RoundId;
  /** The model that the work is about. */
  readonly subject: PeerName;
  readonly work: Work;
}

/** Sends work on the committed parameters of the stage under way. */
export function assign(turn: Turn, incarnation: Incarnation, { round, subject, work }: Assignment): void {
  sendTo(turn, incarnation, { type: 'coordinator.assign', round, base: baseFor(turn, subject), work });
}

function baseFor(turn: Turn, { stage, peer }: PeerName): Base {
  const { base, ledger, init } = stageOf(turn);
  const { hash, holders, isStored } = present(base.peers.get(peer), `the peer ${peer}`);
  const sources = holders.flatMap((incarnation) => {
    const member = turn.state.roster.get(incarnation);
    return member !== undefined && isReady(member) ? [{ incarnation, endpoint: member.engine.endpoint }] : [];
  });
  const state = { stage, peer, round: base.round };
  const begunWith = base.round === 0 ? (init.get(peer) ?? null) : null;
  return { state, hash, committed: committedOf(ledger), sources, isStored, init: begunWith };
}

/** The data address of a member's engine; one that nobody answers at when the member is gone. */
export function addressOf(turn: Turn, incarnation: Incarnation): EngineAddress {
  return { incarnation, endpoint: turn.state.roster.get(incarnation)?.engine?.endpoint ?? 'inproc://gone' };
}

/** The cells of a column, as the cell of this peer sees the others. */
export function otherCells(turn: Turn, cells: readonly Seat[], peer: string): ColumnCell[] {
  return cells.flatMap((cell) => (cell.peer === peer ? [] : [{ peer: cell.peer, ...addressOf(turn, cell.incarnation) }]));
}

/** The cells of the row of this seat, as its student sees the others. */
export function otherReplicas(turn: Turn, grid: Grid, { peer, incarnation }: Seat): RowCell[] {
  return rowOf(grid, peer).flatMap((cell, column) =>
    cell.incarnation === incarnation ? [] : [{ column, ...addressOf(turn, cell.incarnation), ranges: [...(grid[column]?.ranges ?? [])] }],
  );
}
