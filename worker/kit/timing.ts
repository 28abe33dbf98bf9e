/** How long an engine waits for its peers. A request that is late is made again or elsewhere, or reported; nothing waits forever. */

export const DATA_TIMING = {
  /** The knowledge of one batch: another teacher is asked as well, and this one is given up. */
  knowledgeLateMs: 3_000,
  knowledgeMs: 15_000,
  /** A teacher that failed rests so long before it is asked again; doubles with each failure in a row. */
  teacherRestMs: 50,
  teacherRestMaxMs: 2_000,
  /** The arena of a peer, asked for twice at most. */
  arenaMs: 10_000,
  /** A committed state from a peer, and from the coordinator's disk. */
  stateMs: 20_000,
  checkpointMs: 60_000,
  /** A checkpoint or an export is on the coordinator's disk. */
  storeMs: 60_000,
  /** A connection on which nothing was asked for so long is closed. */
  connectionUnusedMs: 30_000,
  /** Between two reports of progress to the agent, batches permitting. */
  progressMs: 200,
} as const;
