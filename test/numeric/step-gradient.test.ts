/** The lengths of the gradients of a loss's parts: what they are, and that measuring them changes nothing. */

import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepBatch, StepKnobs } from '../../src/step/step-program.js';
import type { GradientObserver } from '../../src/step/trainer.js';
import { adapterTraining } from '../support/adapter-training.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import { expectSameFloats } from '../support/same-floats.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { callAt, catalogueModel, openPair, STAGES } from '../support/trace-parity.js';
import { noiseBatch, normModel } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const INPUT_SHAPE = [6, 6, 3] as const;
const SGD: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0.1, decayAll: false };
const LOSS = { 'labels.weight': 0.5, 'hint.weight': 0.05 };

const made = disposeAfterEach();

function programOf(onGradients?: GradientObserver) {
  const model = normModel(INPUT_SHAPE, 5, 1);
  const training = adapterTraining(SGD, INPUT_SHAPE);
  const program = buildEagerStep({ model, training, inputShape: INPUT_SHAPE, ...(onGradients === undefined ? {} : { onGradients }) });
  made.push(program, model);
  return program;
}

function batchOf(size = 8): StepBatch {
  const { images } = noiseBatch(50, { size, inputShape: INPUT_SHAPE, classes: 2 });
  return { ...noiseBatch(1, { size, inputShape: INPUT_SHAPE, classes: 5 }), other: [{ shape: [size, ...INPUT_SHAPE], data: images }] };
}

describeEachEngine(() => {
  test.each(['labels', 'hint'])('that of %s is the length of the gradient of a step in which the other weight is 0', (key) => {
    let length = 0;
    const alone = programOf((gradients) => {
      const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)).dataSync<'float32'>()[0]!);
      length = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
    });
    const others = Object.entries(LOSS).map(([name, weight]) => [name, name === `${key}.weight` ? weight : 0]);
    alone.step(batchOf(), { rate: 0.01, loss: Object.fromEntries(others) as StepKnobs['loss'] });
    const lengths = programOf().gradientLengths(batchOf(), LOSS);
    expect(Object.keys(lengths)).toEqual(['labels', 'hint']);
    expect(length).toBeGreaterThan(0.01);
    expect(lengths[key]! / length).toBeCloseTo(1, 4);
  });

  test('measuring changes no parameter, no statistic of a BatchNorm and no slot, and drops an open half', () => {
    const program = programOf();
    const knobs = { rate: 0.01, loss: LOSS };
    program.step(batchOf(), knobs);
    const [parameters, slots] = [program.readParameters(), program.readSlots()];
    program.forward(batchOf().images, 8);
    program.gradientLengths(batchOf(), LOSS);
    expectSameFloats(program.readParameters(), parameters, 'the parameters');
    expectSameFloats(program.readSlots(), slots, "the optimiser's slots");
    expect(() => program.backward(batchOf(), knobs)).toThrow();
  });
});

describeTensorflow('as graphs', () => {
  beforeAll(() => openEngine('tensorflow'));

  describe.each(['sgd', 'adam'] as const)('%s', (name) => {
    test('a course with measuring has the bits of one without, and the lengths are those of the eager program', () => {
      const optimizer =
        name === 'sgd' ? SGD : ({ name, rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false } as const);
      const { eager, traced, notices, dispose } = openPair({
        build: () => catalogueModel('resnet8'),
        stage: STAGES.distillation!(optimizer),
      });
      for (let t = 0; t < 4; t++) {
        const [batch, knobs] = callAt(t, { size: 4, taught: true });
        if (t > 0) expect(traced.gradientLengths(batch, knobs.loss)).toEqual(eager.gradientLengths(batch, knobs.loss));
        expect(traced.step(batch, knobs)).toEqual(eager.step(batch, knobs));
      }
      expect(notices.map(({ traced: isTraced }) => isTraced)).toEqual([true]);
      expectSameFloats(traced.readParameters(), eager.readParameters(), 'the parameters');
      expectSameFloats(traced.readSlots(), eager.readSlots(), "the optimiser's slots");
      dispose();
    });
  });

  test('a step says how many samples it puts into the same class as its teacher', () => {
    const { eager, traced, dispose } = openPair({ build: () => catalogueModel('cnn'), stage: STAGES.distillation!(SGD) });
    const [batch, knobs] = callAt(0, { size: 6, taught: true });
    const classesOf = ({ data, shape: [rows = 0, classes = 0] }: { readonly data: Float32Array; readonly shape: readonly number[] }) =>
      Array.from({ length: rows }, (_, row) => {
        const own = [...data.subarray(row * classes, (row + 1) * classes)];
        return own.indexOf(Math.max(...own));
      });
    const own = classesOf(eager.forward(batch.images, 6)[0]!);
    eager.abandon();
    const theirs = classesOf(batch.other[0]!);
    const same = own.filter((label, row) => label === theirs[row]).length;
    expect([eager.step(batch, knobs).sameAsTeacher, traced.step(batch, knobs).sameAsTeacher]).toEqual([same, same]);
    // Of a batch in which the teacher says what the student says, all are the same.
    const agreeing = { ...batch, other: eager.forward(batch.images, 6).slice(0, 1) };
    eager.abandon();
    expect(eager.step(agreeing, knobs).sameAsTeacher).toBe(6);
    dispose();
  });
});
