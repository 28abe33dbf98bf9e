/** The times that an engine waits for others. A late request is made again, made elsewhere, or reported. A cell waits for the others until the coordinator ends the round. */

import { LIMITS } from '../../src/base/limits.js';

export const DATA_TIMING = {
  /** After this time without the knowledge of a batch, another teacher is asked as well; after the longer one, this request has failed. */
  knowledgeLateMs: 3_000,
  knowledgeMs: 15_000,
  /**
   * The knowledge of one step from another cell of the column, or of the row; after this time, and that of its bytes on the slowest line (8 Mbit/s
   * for the answers of all cells together), it is asked for again.
   */
  stepMs: 15_000,
  leastBytesPerMs: 1_000,
  /** The time in which answers that have arrived are read. */
  unreadMs: 50,
  /** A cell that has not come to the step yet says so after this time. */
  stepHoldMs: 10_000,
  /**
   * A cell that has answered nothing for this long, in one round or in several, counts as one that cannot be reached. It may build graphs for
   * seconds in one call.
   */
  cellSilentMs: 45_000,
  /** The same in the first steps of a model, and in the first one of other cells: they build graphs. */
  firstStepsSilentMs: 180_000,
  /** A teacher that failed, or a cell that gave no answer, is not asked for this long; the time doubles with each failure in a row. */
  restMs: 50,
  restMaxMs: 2_000,
  /** A part of the arena of another replica, which is asked for at most twice. */
  arenaMs: 10_000,
  /** A part of a committed state (at most `partBytes` of src/base/limits.ts), from another student, and from the coordinator's disk. */
  stateMs: 20_000,
  checkpointMs: 60_000,
  /** All parts of the optimiser's state of another replica, for a checkpoint, which does not wait longer: a stop has a deadline. */
  slotsMs: 3_000,
  /** One answer with data, for which others may wait at the coordinator, too; and the time without any after which the data cannot be had. */
  feedMs: LIMITS.feedWaitMs,
  feedSilentMs: 300_000,
  /** The time until a part of a checkpoint is on the coordinator's disk. */
  storeMs: 60_000,
  /** A connection that carried no request for this long is closed. */
  connectionUnusedMs: 30_000,
  /** The time between two reports of progress to the agent; a batch under way delays the report. */
  progressMs: 200,
} as const;
