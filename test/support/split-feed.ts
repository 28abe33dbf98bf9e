/** Feeds of data for tests. */

import { SplitFeed, type SplitFeedOptions } from '../../coordinator/shell/split-feed.js';
import { systemClock } from '../../src/base/clock.js';
import type { DataRecipe } from '../../src/config/schema.js';
import { silentLogger } from '../../src/log/logger.js';

/** A recipe of no data. */
export const NO_DATA: DataRecipe = { format: 'idx', path: '/nowhere', labels: 'fine', normalise: { mean: [0], std: [1] }, splits: {} };

/** The coordinator's feed of these splits, for workers without files. */
export function feedOf(
  recipe: DataRecipe,
  fingerprints: Readonly<Record<string, string>>,
  options: Partial<Pick<SplitFeedOptions, 'answerBytes' | 'rate' | 'clock'>> = {},
): SplitFeed {
  return new SplitFeed({ recipe, fingerprints, clock: systemClock, logger: silentLogger, rate: null, ...options });
}
