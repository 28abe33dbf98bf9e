/** Checks that the answers that a step is given fit it. The check comes before any change, because a step that is counted or half done cannot be undone. */

import { assert, present } from '../base/assert.js';
import { sizeOf } from '../tensor/tensor.js';
import { checkSamples } from './batch-samples.js';
import type { StepAnswerBatch } from './step-program.js';
import type { StepTraining } from './trainer.js';

/** Asserts that labels, samples and the other side's knowledge are of a batch of `size`, and have the shapes that the stage's loss asks for. */
export function checkAnswers({ labels, other, samples }: StepAnswerBatch, size: number, training: StepTraining): void {
  const { otherShapes } = training;
  checkSamples(training, size, samples);
  const { classes, mixed } = labels;
  assert(classes.length === size, `${classes.length} labels for a batch of ${size}`);
  if (mixed !== null) {
    const counts = `${mixed.second.length} second labels and ${mixed.share.length} shares for a batch of ${size}`;
    assert(mixed.second.length === size && mixed.share.length === size, counts);
  }
  assert(other.length === otherShapes.length, `${other.length} tensors of the other side, and the loss takes ${otherShapes.length}`);
  other.forEach(({ shape, data }, i) => {
    const expected = [size, ...present(otherShapes[i], 'shape')];
    const fits = shape.length === expected.length && shape.every((axis, at) => axis === expected[at]) && data.length === sizeOf(shape);
    assert(fits, `tensor ${i} of the other side is [${shape}] with ${data.length} elements, and the loss takes [${expected}]`);
  });
}
