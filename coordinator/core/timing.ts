/** The coordinator's deadlines. Tests and simulations pass others. */

import type { Timing } from './types.js';

export const DEFAULT_TIMING: Timing = {
  renewEveryMs: 400,
  leaseMs: 2500,
  startMs: 120_000,
  firstRoundMs: 600_000,
  roundFloorMs: 20_000,
  roundFactor: 10,
  averageMs: 60_000,
  checkpointMs: 30_000,
  saveMs: 120_000,
  concludeMs: 8_000,
  stopMs: 8_000,
  gatherMs: 5_000,
  waitMs: 1_800_000,
  failuresMax: 8,
  retryMs: 200,
  retryMaxMs: 10_000,
};
