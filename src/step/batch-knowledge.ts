/**
 * Knowledge of any kind about views, from a model in inference mode. The model sees the images of all views in one batch, for each by itself;
 * where a tensor is about the view as a whole, it is made of the rows of that view alone.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { similaritiesOf } from '../losses/similarity.js';
import {
  isOutputSpec,
  type Knowledge,
  type KnowledgeSpec,
  type KnowledgeTensor,
  rowsOf,
  type SampleSpec,
  sampleSpecOf,
} from '../tensor/knowledge.js';
import type { StepProgram } from './step-program.js';

export interface LabelledBatch {
  /** Normalised pixels, [B, H, W, C]. */
  readonly images: Float32Array;
  /** The class of each image, [B]; only the gradient by the images depends on it. */
  readonly labels: Int32Array;
}

type AnsweringProgram = Pick<StepProgram, 'answer' | 'inputGradient'>;

/** The knowledge about a batch that is one view: one tensor for each spec, in their order. Throws `model.invalid` as the program's `answer` does. */
export function batchKnowledge(program: AnsweringProgram, batch: LabelledBatch, specs: readonly KnowledgeSpec[]): Knowledge {
  const [knowledge] = viewKnowledge(program, { ...batch, views: [batch.labels.length] }, specs);
  return present(knowledge, 'the view');
}

export interface BatchOfViews extends LabelledBatch {
  /** The number of samples of each view; they follow each other in the batch. */
  readonly views: readonly number[];
}

/** The knowledge about each view of a batch, as `batchKnowledge` gives it. */
export function viewKnowledge(
  program: AnsweringProgram,
  { views, ...batch }: BatchOfViews,
  specs: readonly KnowledgeSpec[],
): readonly Knowledge[] {
  const tensors = sampleKnowledge(program, batch, specs.map(sampleSpecOf));
  let row = 0;
  return views.map((size) => {
    const from = row;
    row += size;
    return tensors.map((tensor, i) => {
      const rows = rowsOf(tensor, from, row);
      return specs[i]?.of === 'similarity' ? similarityTensor(rows) : rows;
    });
  });
}

function sampleKnowledge(program: AnsweringProgram, { images, labels }: LabelledBatch, specs: readonly SampleSpec[]): Knowledge {
  const outputs = specs.filter(isOutputSpec);
  const answers = outputs.length === 0 ? [] : [...program.answer(images, labels.length, outputs)];
  return specs.map((spec) => (isOutputSpec(spec) ? present(answers.shift(), 'an answer') : program.inputGradient(images, labels)));
}

/** The similarities of a view, [B, B], from the features of its samples. */
function similarityTensor({ shape, data }: KnowledgeTensor): KnowledgeTensor {
  const alike_BB = tf.tidy(() => similaritiesOf(tf.tensor(data, [...shape])));
  try {
    return { shape: alike_BB.shape, data: alike_BB.dataSync<'float32'>().slice() };
  } finally {
    alike_BB.dispose();
  }
}
