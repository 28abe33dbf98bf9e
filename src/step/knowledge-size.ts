/** The size of the knowledge that a training step takes from another model. Pure. */

import type { OtherSide } from '../config/schema.js';
import { sizeOf } from '../tensor/tensor.js';
import type { StepTraining } from './trainer.js';

/** The parts of a training that its size follows from. */
export interface SizedTraining extends Pick<StepTraining, 'otherShapes'> {
  readonly loss: Pick<StepTraining['loss'], 'sides'>;
}

/** The numbers of one image that all models of a side give the model that trains; 0 for a side that the loss does not ask. */
export function numbersFrom({ loss: { sides }, otherShapes }: SizedTraining, from: OtherSide): number {
  let start = 0;
  for (const side of sides) {
    const end = start + side.specs.length * side.count;
    if (side.from === from) return otherShapes.slice(start, end).reduce((sum, shape) => sum + sizeOf(shape), 0);
    start = end;
  }
  return 0;
}

/** The numbers of one image that each student of a row gives every other one; 0 where no loss is over the gathered batch. */
export function numbersGathered({ gatheredShapes }: Pick<StepTraining, 'gatheredShapes'>): number {
  const { student = [], other = [] } = gatheredShapes ?? {};
  return [...student, ...other].reduce((sum, shape) => sum + sizeOf(shape), 0);
}
