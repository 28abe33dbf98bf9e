/** The work of the stages of a run on this machine, as it follows from its students. */

import { type WorkSize, workWarnings } from '../recipe/work-size.js';
import { formatCount } from './format-figure.js';
import type { Output } from './output.js';
import { tellWarnings } from './tell-warnings.js';

/**
 * A line for each stage, and the warnings about it. With --json there are the warnings alone. `when` begins each line, where other students
 * may come than those of the recipe.
 */
export function tellWork(work: readonly WorkSize[], output: Output, when = ''): void {
  if (!output.json) for (const size of work) output.note(`${when}${describeWork(size)}`);
  tellWarnings(workWarnings(work), output);
}

/** The line of a stage. */
export function describeWork({ stage, columns, imagesPerStep, stepsPerEpoch, averagesPerEpoch, isGlobal }: WorkSize): string {
  const whose = columns === 1 ? '' : ` by ${columns} students together`;
  const averages = averagesPerEpoch === 0 ? '' : `, ${count(averagesPerEpoch, 'average')} an epoch`;
  return `${stage}: ${count(imagesPerStep, 'image')} a step${whose}, ${count(stepsPerEpoch, 'step')} an epoch${averages}${isGlobal ? GLOBAL : ''}`;
}

/** The claim of `batch: { global }`. */
const GLOBAL = '; the same steps with any number of students (parameters equal to rounding for SGD, every: 1, and no BatchNorm only)';

const count = (number: number, what: string): string => `${formatCount(number)} ${what}${number === 1 ? '' : 's'}`;
