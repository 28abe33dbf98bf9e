/** Steps whose loss takes layers: what they are given, what they change, and that they leave nothing behind. */

import * as tf from '@tensorflow/tfjs-core';
import { model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { expect, test } from 'vitest';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { overrideBatchNorms } from '../../src/nn/batch-norm.js';
import { reduce } from '../../src/nn/reduction/catalogue.js';
import { arenaSchemaOf, readArena } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import type { ReductionSpec } from '../../src/tensor/knowledge.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import { mixedCall, TAPPED, type TappedCall, tappedCalls, tappedModel, tappedTraining } from '../support/tapped-training.js';

const plain: OptimizerRecipe = { name: 'sgd', rate: 0.05, momentum: 0, nesterov: false, weightDecay: 0, decayAll: false };
const adam: OptimizerRecipe = { name: 'adam', rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-3, decayAll: false };

const made = disposeAfterEach();
function programOf(training: StepTraining): StepProgram {
  const model = tappedModel();
  const program = buildEagerStep({ model, training, inputShape: TAPPED.inputShape });
  made.push(program, model);
  return program;
}

/** The arena after a step without momentum, in stock tfjs. */
function referenceStep({ loss }: StepTraining, { batch, knobs }: TappedCall): Float32Array {
  const model = tappedModel();
  const schema = arenaSchemaOf(model);
  const restore = overrideBatchNorms(model);
  const tapped = makeModel({ inputs: model.inputs, outputs: [model.outputs[0]!, model.getLayer('relu').output as SymbolicTensor] });
  tf.tidy(() => {
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const { grads } = tf.variableGrads(() => {
      const images = tf.tensor4d(batch.images.slice(), [batch.size, ...TAPPED.inputShape]);
      const [logits, relu] = tapped.apply(images, { training: true }) as tf.Tensor[];
      const [, { reduce: reduction }] = loss.student as [unknown, { reduce: ReductionSpec }];
      const inputs = {
        labels: { class_B: tf.tensor1d(batch.labels.classes.slice(), 'int32'), mixed: null },
        student: [logits!, reduce(relu!, reduction)],
        other: batch.other.map(({ data, shape }) => tf.tensor(data.slice(), [...shape])),
        adapters: [],
      };
      return loss.sum(inputs, Object.fromEntries(Object.entries(knobs.loss).map(([name, value]) => [name, tf.scalar(value)]))).mean;
    }, variables);
    for (const variable of variables) variable.assign(tf.sub(variable, tf.mul(grads[variable.name]!, knobs.rate)));
  });
  const arena = readArena(model, schema);
  restore();
  model.dispose();
  return arena;
}

describeEachEngine(() => {
  test('the update is that of the whole loss, with the gradient through tap and reduction', async () => {
    const training = await tappedTraining(plain);
    const [call] = tappedCalls(training, [8]) as [TappedCall];
    const program = programOf(training);
    const start = program.readParameters();
    const { terms, lossSum } = program.step(call.batch, call.knobs);
    expect(Object.keys(terms)).toEqual(['labels', 'hinton', 'attention-transfer']);
    const weighted = Object.entries(terms).map(([key, sum]) => sum * call.knobs.loss[`${key}.weight`]!);
    expect(weighted.reduce((a, b) => a + b) / lossSum).toBeCloseTo(1, 5);
    // The maps weigh enough to be seen.
    expect(weighted[2]! / lossSum).toBeGreaterThan(0.1);
    const found = program.readParameters();
    referenceStep(training, call).forEach((value, i) => void expect(found[i]).toBeCloseTo(value, 5));
    const convolution = program.schema.entries.find(({ name }) => name === 'conv/kernel')!;
    expect(found.subarray(0, convolution.size)).not.toEqual(start.subarray(0, convolution.size));
  });

  test('cut in two, it is the whole step to the bit; the first half gives logits and maps', async () => {
    const training = await tappedTraining(adam);
    const [whole, cut] = [programOf(training), programOf(training)];
    for (const { batch, knobs } of tappedCalls(training, [8, 8, 3, 8])) {
      const expected = whole.step(batch, knobs);
      const knowledge = cut.forward(batch.images, batch.size);
      expect(knowledge.map(({ shape }) => shape)).toEqual([
        [batch.size, 5],
        [batch.size, 36],
      ]);
      for (const { data } of knowledge) data.fill(Number.NaN);
      expect(cut.backward(batch, knobs)).toEqual(expected);
    }
    expect(cut.readParameters()).toEqual(whole.readParameters());
    expect(cut.readSlots()).toEqual(whole.readSlots());
  });

  test('labels of mixed images: a share of 1 is the first class alone, and the loss goes with the share', async () => {
    const training = await tappedTraining(plain);
    const [call] = tappedCalls(training, [8]) as [TappedCall];
    const [alone, ...mixed] = [call, mixedCall(call, 1), mixedCall(call, 0.25), mixedCall(call, 0)].map(({ batch, knobs }) => {
      const program = programOf(training);
      const { terms } = program.step(batch, knobs);
      return { labels: terms.labels!, parameters: program.readParameters() };
    });
    expect(mixed[0]).toEqual(alone);
    expect(mixed[1]!.labels).toBeCloseTo(0.25 * mixed[0]!.labels + 0.75 * mixed[2]!.labels, 4);
    expect(mixed[2]!.labels).not.toBeCloseTo(alone!.labels, 1);
  });

  test('answers of another form are refused before anything is counted', async () => {
    const training = await tappedTraining(adam);
    const [{ batch, knobs }] = tappedCalls(training, [8]) as [TappedCall];
    const program = programOf(training);
    const [logits, maps] = batch.other;
    const mixed = { second: new Int32Array(8), share: new Float32Array(7) };
    const wrong = [
      [{ other: [logits!] }, '1 tensors of the other side, and the loss takes 2'],
      [{ other: [maps!, logits!] }, 'tensor 0 of the other side is [8,36] with 288 elements, and the loss takes [8,5]'],
      [{ labels: { classes: batch.labels.classes, mixed } }, '8 second labels and 7 shares for a batch of 8'],
    ] as const;
    for (const [change, message] of wrong) expect(() => program.step({ ...batch, ...change }, knobs)).toThrow(message);
    program.step(batch, knobs);
    expect(program.readSlots().at(-1)).toBe(1);
  });
});
