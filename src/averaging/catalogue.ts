/** The ways to average. The only list of them; test/contract/averaging.test.ts runs each of them. */

import { openAllPull } from './all-pull.js';
import type { OpenAveraging } from './averaging.js';

export const AVERAGINGS = {
  'all-pull': openAllPull,
} as const satisfies Readonly<Record<string, OpenAveraging>>;

/** The way that replicas average. */
export const DEFAULT_AVERAGING: OpenAveraging = AVERAGINGS['all-pull'];
