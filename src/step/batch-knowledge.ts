/** Knowledge of any kind about a batch, from a model in inference mode. */

import { present } from '../base/assert.js';
import { isOutputSpec, type Knowledge, type KnowledgeSpec } from '../tensor/knowledge.js';
import type { StepProgram } from './step-program.js';

export interface LabelledBatch {
  /** Normalised pixels, [B, H, W, C]. */
  readonly images: Float32Array;
  /** The class of each image, [B]; only the gradient by the images depends on it. */
  readonly labels: Int32Array;
}

/** One tensor for each spec, in their order. Throws `model.invalid` as the program's `answer` does. */
export function batchKnowledge(
  program: Pick<StepProgram, 'answer' | 'inputGradient'>,
  { images, labels }: LabelledBatch,
  specs: readonly KnowledgeSpec[],
): Knowledge {
  const outputs = specs.filter(isOutputSpec);
  const answers = outputs.length === 0 ? [] : [...program.answer(images, labels.length, outputs)];
  return specs.map((spec) => (isOutputSpec(spec) ? present(answers.shift(), 'an answer') : program.inputGradient(images, labels)));
}
