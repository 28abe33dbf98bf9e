import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EngineName, OptimizerRecipe, PeerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepBatch, StepProgram } from '../../src/step/step-program.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { expectMutualLearning } from '../support/mutual-reference.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { distilStage, knobsOf, noiseBatch, normModel, trainingOf, trainStage } from '../support/training.js';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const SHORT = { rate: 0.05, temperature: 3, alpha: 0.6 };
const KNOBS = knobsOf(SHORT);
const momentum: OptimizerRecipe = { name: 'sgd', rate: 0.05, momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false };
const adam: OptimizerRecipe = { name: 'adam', rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-3, decayAll: false };

const made = disposeAfterEach();

function programOf(stage: PeerRecipe, seed = 1): StepProgram {
  const model = normModel(SHAPE.inputShape, SHAPE.classes, seed);
  const program = buildEagerStep({ model, training: trainingOf(stage, SHAPE.classes), inputShape: SHAPE.inputShape });
  made.push(program, model);
  return program;
}

const batchAt = (t: number, taught: boolean): StepBatch => noiseBatch(t, { ...SHAPE, size: t % 3 === 2 ? 3 : 8, taught });

function stateOf(program: StepProgram): { parameters: Float32Array; slots: Float32Array } {
  return { parameters: program.readParameters(), slots: program.readSlots() };
}

function equality(): void {
  test.each([
    ['training with momentum', trainStage({ optimizer: momentum })],
    ['distillation with Adam', distilStage({ optimizer: adam })],
  ] as [string, PeerRecipe][])('%s: cut in two, with other work between the halves, it is the whole step to the bit', (_, stage) => {
    const [whole, cut, other] = [programOf(stage), programOf(stage), programOf(stage, 9)];
    const taught = stage.teacher !== undefined;
    for (let t = 0; t < 4; t++) {
      const batch = batchAt(t, taught);
      const expected = whole.step(batch, KNOBS);
      const buffer = batch.images.slice();
      const [logits] = cut.forward(buffer, batch.size);
      buffer.fill(7);
      expect(logits?.shape).toEqual([batch.size, SHAPE.classes]);
      logits?.data.fill(Number.NaN);
      other.step(batchAt(t + 10, taught), KNOBS);
      other.forward(batch.images, batch.size);
      cut.predict(batch.images, batch.size);
      expect(cut.backward(batch, KNOBS)).toEqual(expected);
    }
    expect(stateOf(cut)).toEqual(stateOf(whole));
  });
}

function mutualLearning(): void {
  test('two programs that exchange their logits within each step are one program that has both models', () => {
    const stage = distilStage({ optimizer: momentum });
    const seeds = [1, 2] as const;
    expectMutualLearning({
      programs: [programOf(stage, seeds[0]), programOf(stage, seeds[1])],
      options: { ...SHAPE, seeds, knobs: SHORT },
      batches: Array.from({ length: 6 }, (_, t) => batchAt(t, false)),
    });
  });
}

function order(): void {
  const stage = distilStage({ optimizer: momentum });

  test('a half that is dropped holds nothing, and leaves the state as it was', () => {
    const program = programOf(stage);
    const [batch, held] = [batchAt(1, true), tf.memory().numTensors];
    const before = stateOf(program);
    program.forward(batch.images, batch.size);
    expect(tf.memory().numTensors).toBeGreaterThan(held);
    program.abandon();
    program.abandon();
    expect(tf.memory().numTensors).toBe(held);
    expect(stateOf(program)).toEqual(before);
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
      () => program.writeParameters(program.readParameters()),
      () => program.writeSlots(program.readSlots()),
      () => program.resetSlots(),
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
    const { labels, other, images, size } = batchAt(1, true);
    const fewer = { classes: labels.classes.subarray(1), mixed: null };
    program.forward(images, size);
    expect(() => program.backward({ labels: fewer, other }, KNOBS)).toThrow('7 labels for a batch of 8');
    expect(() => program.backward({ labels, other: [] }, KNOBS)).toThrow('0 tensors of the other side, and the loss takes 1');
    program.backward({ labels, other }, KNOBS);
    whole.step({ labels, other, images, size }, KNOBS);
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

test('a loss of two parts is told with both', async () => {
  await openEngine('cpu');
  const { lossSum, terms } = programOf(distilStage({ optimizer: momentum })).step(batchAt(1, true), KNOBS);
  expect(Object.keys(terms)).toEqual(['labels', 'hinton']);
  const { labels = Number.NaN, hinton = Number.NaN } = terms;
  expect(labels).not.toBeCloseTo(hinton, 1);
  expect((1 - SHORT.alpha) * labels + SHORT.alpha * hinton).toBeCloseTo(lossSum, 4);
  const alone = programOf(trainStage({ optimizer: momentum })).step(batchAt(1, false), knobsOf({ rate: 0.05 }));
  expect(alone.terms).toEqual({ labels: alone.lossSum });
});
