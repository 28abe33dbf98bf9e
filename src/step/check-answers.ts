/** Checks that the answers that a step is given fit it. The check comes before any change, because a step that is counted or half done cannot be undone. */

import { assert, present } from '../base/assert.js';
import { type Knowledge, type RowShape, viewShape } from '../tensor/knowledge.js';
import { sizeOf } from '../tensor/tensor.js';
import { checkSamples } from './batch-samples.js';
import type { LabelArrays, StepAnswerBatch } from './step-program.js';
import type { StepTraining } from './trainer.js';

/**
 * Asserts that labels, samples and the other side's knowledge are of a batch of `size`, and have the shapes that the stage's loss asks for;
 * and so of the rest of a gathered batch.
 */
export function checkAnswers({ labels, other, samples, rest }: StepAnswerBatch, size: number, training: StepTraining): void {
  const { otherShapes, gatheredShapes } = training;
  checkSamples(training, size, samples);
  checkLabels(labels, size);
  checkKnowledge(other, { size, shapes: otherShapes, what: 'of the other side' });
  if (rest === undefined) return;
  const { student, other: ofOther } = present(gatheredShapes, 'a loss over the gathered batch');
  const others = rest.labels.classes.length;
  assert(rest.before >= 0 && rest.before <= others, `${rest.before} of ${others} samples of the rest come before`);
  checkLabels(rest.labels, others);
  assert((labels.mixed === null) === (rest.labels.mixed === null), 'labels of mixed images beside labels of others');
  checkKnowledge(rest.student, { size: others, shapes: student, what: 'of the other students' });
  checkKnowledge(rest.other, { size: others, shapes: ofOther, what: 'of the rest of the batch' });
}

function checkLabels({ classes, mixed }: LabelArrays, size: number): void {
  assert(classes.length === size, `${classes.length} labels for a batch of ${size}`);
  if (mixed === null) return;
  const counts = `${mixed.second.length} second labels and ${mixed.share.length} shares for a batch of ${size}`;
  assert(mixed.second.length === size && mixed.share.length === size, counts);
}

interface Expected {
  readonly size: number;
  /** Without the batch. */
  readonly shapes: readonly RowShape[];
  readonly what: string;
}

function checkKnowledge(knowledge: Knowledge, { size, shapes, what }: Expected): void {
  assert(knowledge.length === shapes.length, `${knowledge.length} tensors ${what}, and the loss takes ${shapes.length}`);
  knowledge.forEach(({ shape, data }, i) => {
    const expected = viewShape(present(shapes[i], 'shape'), size);
    const fits = shape.length === expected.length && shape.every((axis, at) => axis === expected[at]) && data.length === sizeOf(shape);
    assert(fits, `tensor ${i} ${what} is [${shape}] with ${data.length} elements, and the loss takes [${expected}]`);
  });
}
