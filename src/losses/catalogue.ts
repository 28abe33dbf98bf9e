/** The losses by name. One more: its file, and its line here. */

import { crossEntropy } from './cross-entropy.js';
import { hinton } from './hinton.js';
import { labelSmoothing } from './label-smoothing.js';
import type { LossMethod } from './loss-method.js';

export const LOSSES = {
  'cross-entropy': crossEntropy,
  'label-smoothing': labelSmoothing,
  hinton,
} as const satisfies Readonly<Record<string, LossMethod<never>>>;
