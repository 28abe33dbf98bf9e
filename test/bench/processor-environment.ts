/** What keeps a process alive that computes in a precision on this machine's processor. */

import { existsSync, readFileSync } from 'node:fs';
import { bfloat16Support } from '../../src/trace/bfloat16-support.js';
import type { Precision } from './training-case.js';

const CPUINFO = '/proc/cpuinfo';

/** Variables for both sides of a row: PyTorch and TensorFlow have the same library below them, and the same fault. */
export function processorEnvironment(precision: Precision): Readonly<Record<string, string>> {
  if (precision === 'fp32') return {};
  return bfloat16Support(existsSync(CPUINFO) ? readFileSync(CPUINFO, 'utf8') : '').environment;
}
