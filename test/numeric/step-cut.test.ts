import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { EngineName, OptimizerRecipe, TrainingStage } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import type { StepBatch, StepProgram } from '../../src/engines/step-program.js';
import { overrideBatchNorms } from '../../src/nn/batch-norm.js';
import { arenaSchemaOf, readArena } from '../../src/nn/weights.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { distilStage, noiseBatch, normModel, trainStage } from '../support/training.js';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const KNOBS = { rate: 0.05, temperature: 3, alpha: 0.6 };
const momentum: OptimizerRecipe = { name: 'sgd', rate: 0.05, momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false };
const adam: OptimizerRecipe = { name: 'adam', rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-3, decayAll: false };

const made: { dispose(): unknown }[] = [];

function programOf(stage: TrainingStage, seed = 1): StepProgram {
  const model = normModel(SHAPE.inputShape, SHAPE.classes, seed);
  const program = buildEagerStep({ model, stage, inputShape: SHAPE.inputShape });
  made.push(program, model);
  return program;
}

const batchAt = (t: number, taught: boolean): StepBatch => noiseBatch(t, { ...SHAPE, size: t % 3 === 2 ? 3 : 8, taught });

function stateOf(program: StepProgram): { parameters: Float32Array; slots: Float32Array } {
  return { parameters: program.readParameters(), slots: program.readSlots() };
}

/** A test that leaves no tensor behind once what it made is disposed. */
let tensorsBefore = 0;
beforeEach(() => {
  tensorsBefore = tf.memory().numTensors;
});
afterEach(() => {
  for (const one of made.splice(0)) one.dispose();
  expect(tf.memory().numTensors).toBe(tensorsBefore);
});

function equality(): void {
  test.each([
    ['training with momentum', trainStage({ optimizer: momentum })],
    ['distillation with Adam', distilStage({ optimizer: adam })],
  ] as [string, TrainingStage][])('%s: cut in two, with other work between the halves, it is the whole step to the bit', (_, stage) => {
    const [whole, cut, other] = [programOf(stage), programOf(stage), programOf(stage, 9)];
    const taught = stage.kind === 'distil';
    for (let t = 0; t < 4; t++) {
      const batch = batchAt(t, taught);
      const expected = whole.step(batch, KNOBS);
      const buffer = batch.images.slice();
      const logits = cut.forward(buffer, batch.size);
      buffer.fill(7);
      expect(logits.length).toBe(batch.size * SHAPE.classes);
      logits.fill(Number.NaN);
      other.step(batchAt(t + 10, taught), KNOBS);
      other.forward(batch.images, batch.size);
      cut.predict(batch.images, batch.size);
      expect(cut.backward(batch, KNOBS)).toEqual(expected);
    }
    expect(stateOf(cut)).toEqual(stateOf(whole));
  });
}

/** Two models, each taught by what the other says of the same images before either moves: one program that has both, in stock tfjs. */
class MutualReference {
  readonly models: readonly [LayersModel, LayersModel];
  readonly #restore: (() => void)[];
  readonly #velocity = new Map<string, Float32Array>();

  constructor(seeds: readonly [number, number]) {
    this.models = seeds.map((seed) => normModel(SHAPE.inputShape, SHAPE.classes, seed)) as [LayersModel, LayersModel];
    this.#restore = this.models.map(overrideBatchNorms);
  }

  /** The two losses, summed. */
  step({ images, labels, size }: StepBatch): number[] {
    const losses: number[] = [];
    tf.tidy(() => {
      const x = tf.tensor4d(images.slice(), [size, ...SHAPE.inputShape]);
      const labels_B = tf.tensor1d(labels.slice(), 'int32');
      const variables = this.models.flatMap((model) => model.trainableWeights.map((weight) => weight.read() as tf.Variable));
      const { grads } = tf.variableGrads(() => {
        const logits = this.models.map((model) => model.apply(x, { training: true }) as tf.Tensor2D);
        // By way of an array: no gradient flows to the peer.
        const targets = logits.map((own) => tf.tensor2d(own.dataSync<'float32'>().slice(), own.shape));
        const sums = logits.map((own, i) => mutualLoss(own, targets[1 - i] as tf.Tensor2D, labels_B));
        losses.push(...sums.map((sum) => sum.dataSync()[0] as number));
        return tf.div(tf.add(sums[0] as tf.Scalar, sums[1] as tf.Scalar), size) as tf.Scalar;
      }, variables);
      for (const variable of variables) this.#update(variable, (grads[variable.name] as tf.Tensor).dataSync<'float32'>());
    });
    return losses;
  }

  #update(variable: tf.Variable, gradient: Float32Array): void {
    const old = this.#velocity.get(variable.name);
    const velocity = gradient.map((g, i) => 0.9 * (old?.[i] ?? 0) + g);
    this.#velocity.set(variable.name, velocity);
    const moved = variable.dataSync<'float32'>().map((p, i) => p - KNOBS.rate * velocity[i]!);
    variable.assign(tf.tensor(moved, variable.shape));
  }

  dispose(): void {
    for (const undo of this.#restore) undo();
    for (const model of this.models) model.dispose();
  }
}

/** (1 - alpha) CE + alpha T^2 KL(peer || own), summed over the batch, as the formula is written. */
function mutualLoss(own: tf.Tensor2D, peer: tf.Tensor2D, labels_B: tf.Tensor1D): tf.Scalar {
  const { temperature, alpha } = KNOBS;
  const hard = tf.neg(tf.sum(tf.mul(tf.cast(tf.oneHot(labels_B, SHAPE.classes), 'float32'), tf.logSoftmax(own))));
  const peerLog = tf.logSoftmax(tf.div(peer, temperature));
  const soft = tf.sum(tf.mul(tf.exp(peerLog), tf.sub(peerLog, tf.logSoftmax(tf.div(own, temperature)))));
  return tf.add(tf.mul(hard, 1 - alpha), tf.mul(soft, alpha * temperature ** 2)) as tf.Scalar;
}

function distance(actual: Float32Array, expected: Float32Array): number {
  const norm = Math.hypot(...expected);
  return Math.hypot(...actual.map((x, i) => x - expected[i]!)) / norm;
}

function mutualLearning(): void {
  test('two programs that exchange their logits within each step are one program that has both models', () => {
    const stage = distilStage({ optimizer: momentum });
    const [one, two] = [programOf(stage, 1), programOf(stage, 2)];
    const reference = new MutualReference([1, 2]);
    made.push(reference);
    const start = one.readParameters();
    for (let t = 0; t < 6; t++) {
      const batch = batchAt(t, false);
      const ofOne = one.forward(batch.images, batch.size);
      const ofTwo = two.forward(batch.images, batch.size);
      // One ends first at even steps, two at odd ones.
      const halves = [
        () => one.backward({ labels: batch.labels, targets: ofTwo }, KNOBS).lossSum,
        () => two.backward({ labels: batch.labels, targets: ofOne }, KNOBS).lossSum,
      ];
      const losses =
        t % 2 === 0
          ? halves.map((half) => half())
          : halves
              .toReversed()
              .map((half) => half())
              .toReversed();
      for (const [i, expected] of reference.step(batch).entries()) expect(losses[i]! / expected).toBeCloseTo(1, 5);
    }
    for (const [i, program] of [one, two].entries()) {
      const model = reference.models[i] as LayersModel;
      expect(distance(program.readParameters(), readArena(model, arenaSchemaOf(model)))).toBeLessThan(1e-5);
    }
    expect(distance(one.readParameters(), start)).toBeGreaterThan(0.05);
  });
}

function order(): void {
  const stage = distilStage({ optimizer: momentum });

  test('a half that is dropped holds nothing, and moves the BatchNorm statistics only', () => {
    const program = programOf(stage);
    const [batch, held] = [batchAt(1, true), tf.memory().numTensors];
    const before = stateOf(program);
    program.forward(batch.images, batch.size);
    expect(tf.memory().numTensors).toBeGreaterThan(held);
    program.abandon();
    program.abandon();
    expect(tf.memory().numTensors).toBe(held);
    const after = stateOf(program);
    expect(after.slots).toEqual(before.slots);
    for (const { name, kind, offset, size } of program.schema.entries) {
      const [from, to] = [before, after].map(({ parameters }) => parameters.subarray(offset, offset + size));
      if (kind === 'norm-mean' || kind === 'norm-variance') expect(to, name).not.toEqual(from);
      else expect(to, name).toEqual(from);
    }
    // The last of several is the one that counts.
    program.forward(batchAt(3, true).images, 8);
    program.forward(batch.images, batch.size);
    program.backward(batch, KNOBS);
    expect(tf.memory().numTensors).toBe(held);
  });

  test('a second half without its first is refused, whatever ended the first', () => {
    const program = programOf(stage);
    const batch = batchAt(1, true);
    const second = () => program.backward(batch, KNOBS);
    const endings = [
      () => {},
      () => program.backward(batch, KNOBS),
      () => program.step(batch, KNOBS),
      () => program.abandon(),
      () => expect(() => program.forward(batch.images, batch.size + 1)).toThrow(),
    ];
    expect(second).toThrow('first half of the step (forward)');
    for (const end of endings.slice(1)) {
      program.forward(batch.images, batch.size);
      end();
      expect(second).toThrow('first half of the step (forward)');
    }
  });

  test('answers that do not fit are refused, and the half waits for better ones', () => {
    const [program, whole] = [programOf(stage), programOf(stage)];
    const { labels, targets, images, size } = batchAt(1, true);
    program.forward(images, size);
    expect(() => program.backward({ labels: labels.subarray(1), targets }, KNOBS)).toThrow('7 labels for a batch of 8');
    expect(() => program.backward({ labels, targets: null }, KNOBS)).toThrow('a teacher must be heard');
    program.backward({ labels, targets }, KNOBS);
    whole.step({ labels, targets, images, size }, KNOBS);
    expect(stateOf(program)).toEqual(stateOf(whole));
  });

  test('a program that is disposed with a half open gives that back too', () => {
    const { images, size } = batchAt(1, true);
    programOf(stage).forward(images, size);
  });
}

function suite(engine: EngineName): () => void {
  return () => {
    beforeAll(async () => {
      await openEngine(engine);
    });
    equality();
    mutualLearning();
    order();
  };
}

describe('cpu', suite('cpu'));
describe('wasm', suite('wasm'));
describeTensorflow('tensorflow', suite('tensorflow'));

test('a loss of two terms is told with both', async () => {
  await openEngine('cpu');
  const { lossSum, terms } = programOf(distilStage({ optimizer: momentum })).step(batchAt(1, true), KNOBS);
  expect(Object.keys(terms)).toEqual(['hard', 'soft']);
  const { hard = Number.NaN, soft = Number.NaN } = terms;
  expect(hard).not.toBeCloseTo(soft, 1);
  expect((1 - KNOBS.alpha) * hard + KNOBS.alpha * soft).toBeCloseTo(lossSum, 4);
  expect(programOf(trainStage({ optimizer: momentum })).step(batchAt(1, false), KNOBS).terms).toEqual({});
});
