/**
 * Computes one value and one gradient of a stage's loss, on two samples of noise, so that a fault of a loss shows before a run
 * starts. An engine must be open.
 */

import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { Prng } from '../base/prng.js';
import type { PeerRecipe } from '../config/schema.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { SampleTensors } from '../losses/loss-method.js';
import { knobsOfLoss, type StageLoss } from '../losses/stage-loss.js';
import { createAdapters } from '../nn/adapter.js';
import { shapesOf } from '../nn/knowledge-model.js';
import { createMemory } from '../nn/memory.js';
import { type RowShape, viewShape } from '../tensor/knowledge.js';
import { sizeOf } from '../tensor/tensor.js';
import { someSamples } from './batch-samples.js';
import { holdForward } from './held-tape.js';
import { joinTraining, type TrainingShapes } from './load-training.js';

const SIZE = 2;
/** The rows of a memory in a trial: it depends on no number of samples. */
const ROWS = 4;

/** The loss, once it has been computed. Throws as joinTraining does, and `loss.invalid` when it cannot be computed or has no gradient. */
export async function tryLoss(stage: PeerRecipe, shapes: TrainingShapes): Promise<StageLoss> {
  const { loss, otherShapes, seed } = await joinTraining(stage, shapes);
  const adapters = createAdapters(loss.adapters, seed);
  const memory = createMemory(loss.memory ?? [], ROWS, seed);
  const { samples } = someSamples({ loss, samples: ROWS }, SIZE);
  const random = new Prng(seed);
  const known = shapesOf(loss.student, shapes.student);
  const student = (loss.takesInputGradient ? [...known, shapes.student.image()] : known).map((shape) => variableOf(noise(random, shape)));
  try {
    tf.tidy(() => {
      const numbers = samples && {
        id_B: tf.tensor1d(samples.ids, 'int32'),
        drawn_BD: tf.tensor2d(samples.drawn, [SIZE, samples.drawn.length / SIZE], 'int32'),
      };
      tryGradient(loss, { student, adapters, memory, samples: numbers, other: otherShapes.map((shape) => noise(random, shape)) });
    });
  } finally {
    tf.dispose([...student, ...adapters, ...memory]);
  }
  return loss;
}

interface TrialTensors {
  readonly student: tf.Variable[];
  readonly adapters: tf.Variable[];
  readonly other: tf.Tensor[];
  readonly memory: tf.Variable[];
  readonly samples: SampleTensors | undefined;
}

function tryGradient(loss: StageLoss, { student, adapters, ...rest }: TrialTensors): void {
  const numbers = Object.entries(knobsOfLoss(loss, { epoch: 1, epochs: 2 }));
  const knobs = Object.fromEntries(numbers.map(([name, value]) => [name, tf.scalar(value)]));
  const labels = { class_B: tf.zeros([SIZE], 'int32') as tf.Tensor1D, mixed: null };
  // The loss is computed as a step computes it, in two halves.
  const held = holdForward(() => student.map((variable) => tf.mul(variable, 1)));
  try {
    held.gradients(() => loss.sum({ student: held.outputs, adapters, labels, ...rest }, knobs).mean, [...student, ...adapters]);
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    throw new StillhouseError('loss.invalid', `the gradient of the loss cannot be computed: ${messageOf(error)}`, {
      hint: 'Compute the sum from inputs.student with operations of tf.core that have a gradient, and read nothing back (dataSync)',
      cause: error,
    });
  }
}

function variableOf(start: tf.Tensor): tf.Variable {
  const variable = tf.variable(start);
  start.dispose();
  return variable;
}

function noise(random: Prng, row: RowShape): tf.Tensor {
  const shape = viewShape(row, SIZE);
  return tf.tensor(
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    [...shape],
  );
}
