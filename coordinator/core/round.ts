/**
 * One round: the unit of work. Pure data; each sort of round is led by a file of its own (RoundSort, round-sort.ts).
 *
 *   grid:      training --all trained, or deadline--> averaging --all averaged, same hash--> committed
 *              training --all trained, one column--> committed without an average
 *              averaging --a contributor is lost--> the next attempt of averaging, with the rest
 *   evaluate:  all members report their rows -> done; a member is lost -> the others begin it again
 *   export:    the coordinator has written the model -> done
 *
 * Invariant: the contributor set is fixed before any arena is asked for.
 */

import type { Incarnation, RoundId } from '../../src/base/ids.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Grid } from './grid.js';

export interface GridRound {
  readonly sort: 'grid';
  readonly id: RoundId;
  readonly phase: 'training' | 'averaging';
  /** 0 while training; then the number of the attempt. */
  readonly attempt: number;
  /** While averaging, the contributors alone. */
  readonly grid: Grid;
  /** It began with one column: its students hold the only copies of their trained parameters, and no copy of the base. */
  readonly isAlone: boolean;
  /** All columns make its steps together, or none does: without one of them the others begin a new round. */
  readonly isWhole: boolean;
  /**
   * The reason why the students were asked to begin no further step and to report what they have: the round is late, or somebody
   * wants it over. Null: they were not asked.
   */
  readonly concluding: 'late' | 'wanted' | null;
  /** The samples of a step of one student, or one more than it has. */
  readonly stepSamples: number;
  readonly deadlineMs: number;
}

export interface EvaluateMember {
  readonly incarnation: Incarnation;
  /** The peer whose parameters it tests. */
  readonly peer: string;
  readonly rows: number;
  readonly evaluated: WorkerMessageOf<'worker.evaluated'> | null;
}

export interface EvaluateRound {
  readonly sort: 'evaluate';
  readonly id: RoundId;
  /** The parameters are those after this epoch, which this round has made. */
  readonly epoch: number;
  readonly tested: number;
  readonly members: readonly EvaluateMember[];
  readonly deadlineMs: number;
}

export interface ExportRound {
  readonly sort: 'export';
  readonly id: RoundId;
  readonly deadlineMs: number;
}

export type Round = GridRound | EvaluateRound | ExportRound;
