/** The work of the stages of a run on this machine, as it follows from its students. */

import { type WorkSize, workWarnings } from '../recipe/work-size.js';
import { formatBytes, formatCount } from './format-figure.js';
import type { Output } from './output.js';
import { tellWarnings } from './tell-warnings.js';

/**
 * A line for each stage, and the warnings about it; with --json each line is an object. `when` begins each line, where other students
 * may come than those of the recipe.
 */
export function tellWork(work: readonly WorkSize[], output: Output, when = ''): void {
  for (const size of work) {
    if (output.json) output.result(JSON.stringify({ type: 'work', ...size }));
    else output.note(`${when}${describeWork(size)}`);
  }
  tellWarnings(workWarnings(work), output);
}

/** The line of a stage. */
export function describeWork(size: WorkSize): string {
  const { stage, columns, imagesPerStep, stepsPerEpoch, averagesPerEpoch, isGlobal } = size;
  const whose = columns === 1 ? '' : ` by ${columns} students together`;
  const averages = averagesPerEpoch === 0 ? '' : `, ${count(averagesPerEpoch, 'average')} an epoch`;
  const steps = `${count(imagesPerStep, 'image')} a step${whose}, ${count(stepsPerEpoch, 'step')} an epoch${averages}`;
  return `${stage}: ${steps}${describeBytes(size)}${isGlobal ? GLOBAL : ''}`;
}

/** The knowledge that a step of one student takes. */
function describeBytes(size: WorkSize): string {
  const { bytesFromStudents, columns } = size;
  if (bytesFromStudents === 0) return fromTeacher(size);
  return `${fromTeacher(size)}, ${formatBytes(bytesFromStudents)} a step from the other ${columns === 2 ? 'student' : 'students'} to each`;
}

/** The knowledge from its teacher; that of each model where they take different sizes. */
function fromTeacher({ columns, bytesFromTeacher }: WorkSize): string {
  const sizes = Object.entries(bytesFromTeacher);
  const [first] = sizes;
  if (first === undefined) return '';
  const each = sizes.map(([model, bytes]) => `${model} ${formatBytes(bytes)}`).join(', ');
  const what = sizes.every(([, bytes]) => bytes === first[1]) ? formatBytes(first[1]) : each;
  return `, ${what} a step from the teacher${columns * sizes.length === 1 ? '' : ' to each student'}`;
}

/** The claim of `batch: { global }`. */
const GLOBAL = '; the same steps with any number of students (parameters equal to rounding for SGD, every: 1, and no BatchNorm only)';

const count = (number: number, what: string): string => `${formatCount(number)} ${what}${number === 1 ? '' : 's'}`;
