/** Mutual learning of two models as one program of stock tfjs: what two programs that exchange their logits must come to. */

import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { expect } from 'vitest';
import { overrideBatchNorms } from '../../src/nn/batch-norm.js';
import { arenaSchemaOf, readArena } from '../../src/nn/weights.js';
import type { StepBatch, StepProgram } from '../../src/step/step-program.js';
import { knobsOf, normModel, type ShortKnobs } from './training.js';

export interface MutualOptions {
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  readonly seeds: readonly [number, number];
  readonly knobs: Required<ShortKnobs>;
}

/** Two models, each taught by what the other says of the same images before either moves. SGD with momentum 0.9. */
export class MutualReference {
  readonly models: readonly [LayersModel, LayersModel];
  readonly #options: MutualOptions;
  readonly #restore: (() => void)[];
  readonly #velocity = new Map<string, Float32Array>();

  constructor(options: MutualOptions) {
    const { seeds, inputShape, classes } = options;
    this.#options = options;
    this.models = seeds.map((seed) => normModel(inputShape, classes, seed)) as [LayersModel, LayersModel];
    this.#restore = this.models.map((model) => overrideBatchNorms(model));
  }

  /** The two losses, summed. */
  step({ images, labels, size }: StepBatch): number[] {
    const losses: number[] = [];
    tf.tidy(() => {
      const x = tf.tensor4d(images.slice(), [size, ...this.#options.inputShape]);
      const labels_B = tf.tensor1d(labels.classes.slice(), 'int32');
      const variables = this.models.flatMap((model) => model.trainableWeights.map((weight) => weight.read() as tf.Variable));
      const { grads } = tf.variableGrads(() => {
        const logits = this.models.map((model) => model.apply(x, { training: true }) as tf.Tensor2D);
        // By way of an array: no gradient flows to the peer.
        const targets = logits.map((own) => tf.tensor2d(own.dataSync<'float32'>().slice(), own.shape));
        const sums = logits.map((own, i) => this.#loss(own, targets[1 - i] as tf.Tensor2D, labels_B));
        losses.push(...sums.map((sum) => sum.dataSync()[0] as number));
        return tf.div(tf.add(sums[0] as tf.Scalar, sums[1] as tf.Scalar), size) as tf.Scalar;
      }, variables);
      for (const variable of variables) this.#update(variable, (grads[variable.name] as tf.Tensor).dataSync<'float32'>());
    });
    return losses;
  }

  /** (1 - alpha) CE + alpha T^2 KL(peer || own), summed over the batch, as the formula is written. */
  #loss(own: tf.Tensor2D, peer: tf.Tensor2D, labels_B: tf.Tensor1D): tf.Scalar {
    const { temperature, alpha } = this.#options.knobs;
    const hard = tf.neg(tf.sum(tf.mul(tf.cast(tf.oneHot(labels_B, this.#options.classes), 'float32'), tf.logSoftmax(own))));
    const peerLog = tf.logSoftmax(tf.div(peer, temperature));
    const soft = tf.sum(tf.mul(tf.exp(peerLog), tf.sub(peerLog, tf.logSoftmax(tf.div(own, temperature)))));
    return tf.add(tf.mul(hard, 1 - alpha), tf.mul(soft, alpha * temperature ** 2)) as tf.Scalar;
  }

  #update(variable: tf.Variable, gradient: Float32Array): void {
    const old = this.#velocity.get(variable.name);
    const velocity = gradient.map((g, i) => 0.9 * (old?.[i] ?? 0) + g);
    this.#velocity.set(variable.name, velocity);
    const moved = variable.dataSync<'float32'>().map((p, i) => p - this.#options.knobs.rate * velocity[i]!);
    variable.assign(tf.tensor(moved, variable.shape));
  }

  dispose(): void {
    for (const undo of this.#restore) undo();
    for (const model of this.models) model.dispose();
  }
}

export interface MutualCourse {
  /** Of the reference's two models, with SGD of momentum 0.9 and the loss of a distil stage. */
  readonly programs: readonly [StepProgram, StepProgram];
  readonly options: MutualOptions;
  readonly batches: readonly StepBatch[];
}

/** Both programs go through the batches, exchanging their logits within each step, and come to what the reference comes to. */
export function expectMutualLearning({ programs: [one, two], options, batches }: MutualCourse): void {
  const reference = new MutualReference(options);
  const knobs = knobsOf(options.knobs);
  const start = one.readParameters();
  batches.forEach((batch, t) => {
    const ofOne = one.forward(batch.images, batch.size);
    const ofTwo = two.forward(batch.images, batch.size);
    // One ends first at even steps, two at odd ones.
    const halves = [
      () => one.backward({ labels: batch.labels, other: ofTwo }, knobs).lossSum,
      () => two.backward({ labels: batch.labels, other: ofOne }, knobs).lossSum,
    ];
    const losses =
      t % 2 === 0
        ? halves.map((half) => half())
        : halves
            .toReversed()
            .map((half) => half())
            .toReversed();
    for (const [i, expected] of reference.step(batch).entries()) expect(losses[i]! / expected).toBeCloseTo(1, 5);
  });
  for (const [i, program] of [one, two].entries()) {
    const model = reference.models[i] as LayersModel;
    expect(distance(program.readParameters(), readArena(model, arenaSchemaOf(model)))).toBeLessThan(1e-5);
  }
  expect(distance(one.readParameters(), start)).toBeGreaterThan(0.05);
  reference.dispose();
}

function distance(actual: Float32Array, expected: Float32Array): number {
  const norm = Math.hypot(...expected);
  return Math.hypot(...actual.map((x, i) => x - expected[i]!)) / norm;
}
