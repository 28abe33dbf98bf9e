/** The facts of a training and of a test as text, beside the accuracy. Pure. */

import type { Calibration } from '../base/calibration.js';
import { formatShare } from '../base/share.js';
import type { TrainingFacts } from '../protocol/report.js';

/** "4.1 %, 1.8 % at temperature 1.41". */
export function describeCalibration({ error, temperature, errorAtTemperature }: Calibration): string {
  return `${formatShare(error)}, ${formatShare(errorAtTemperature)} at temperature ${temperature.toFixed(2)}`;
}

/**
 * The parts of the loss, where there are several: "labels 0.712 (12.0 % of the gradient), hinton 3.20 (88.0 %)", and how often the student
 * says what its teacher says. Empty where there is neither.
 */
export function describeTraining({ terms, sameAsTeacher }: TrainingFacts): string {
  const parts = Object.entries(terms);
  const shown = parts.length < 2 ? [] : parts.map(([key, { loss, share }], i) => `${key} ${loss.toPrecision(3)}${describeShare(share, i)}`);
  const same = sameAsTeacher === null ? '' : `the teacher's class for ${formatShare(sameAsTeacher)} of the training images`;
  return [shown.join(', '), same].filter((text) => text !== '').join('; ');
}

function describeShare(share: number | null, index: number): string {
  return share === null ? '' : ` (${formatShare(share)}${index === 0 ? ' of the gradient' : ''})`;
}
