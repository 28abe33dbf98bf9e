/** The size of the knowledge that a training step takes from another model. Pure. */

import type { OtherSide } from '../config/schema.js';
import type { RowShape } from '../tensor/knowledge.js';
import { sizeOf } from '../tensor/tensor.js';
import type { StepTraining } from './trainer.js';

/** The parts of a training that its size follows from. */
export interface SizedTraining extends Pick<StepTraining, 'otherShapes'> {
  readonly loss: Pick<StepTraining['loss'], 'sides'>;
}

/** The shapes, without the batch, of the tensors that all models of a side give the model that trains; none from a side that the loss does not ask. */
export function shapesFrom({ loss: { sides }, otherShapes }: SizedTraining, from: OtherSide): readonly RowShape[] {
  let start = 0;
  for (const side of sides) {
    const end = start + side.specs.length * side.count;
    if (side.from === from) return otherShapes.slice(start, end);
    start = end;
  }
  return [];
}

/** The numbers of one image that each student of a row gives every other one; 0 where no loss is over the gathered batch. */
export function numbersGathered({ gatheredShapes }: Pick<StepTraining, 'gatheredShapes'>): number {
  const { student = [], other = [] } = gatheredShapes ?? {};
  return [...student, ...other].reduce((sum, shape) => sum + sizeOf(shape), 0);
}
