/** What keeps an anchor's process alive that computes in a precision on this machine's processor; ours knows by itself. */

import { bfloat16Support } from '../../src/system/bfloat16-support.js';
import { describeProcessor } from '../../src/system/processor.js';
import type { Precision } from './training-case.js';

/** Variables for an anchor: PyTorch and TensorFlow have the same library below them, and the same fault. */
export function processorEnvironment(precision: Precision): Readonly<Record<string, string>> {
  if (precision === 'fp32') return {};
  return bfloat16Support(describeProcessor()).environment;
}
