/** Students of a row that compute a loss over their gathered batch learn as one student with the whole batch, on every engine. */

import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { TermRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { gatherBatch } from '../../src/losses/gathered-batch.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { shapeSourceOf } from '../../src/nn/knowledge-model.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { joinTraining } from '../../src/step/load-training.js';
import type { StepBatch, StepKnobs, StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { viewShape } from '../../src/tensor/knowledge.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { describeEachEngine } from '../support/each-engine.js';
import { stepRow } from '../support/row-steps.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { CLASSES, callAt, catalogueModel, INPUT_SHAPE, worstTensorError } from '../support/trace-parity.js';
import { distilStage } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SIZE = 8;
const STEPS = 3;
/** The samples of each of three students. */
const THREE = [3, 1, 4];
const RATE = 0.02;
const TAPS = [['conv1', 'pool1'] as const, ['conv2', 'image-like'] as const];
const NEIGHBOURS = fileURLToPath(new URL('../support/neighbour-loss.mjs', import.meta.url));

/** Losses over the batch, with weights at which the steps are stable. */
const TERMS: Readonly<Record<string, TermRecipe>> = {
  rkd: { loss: 'rkd', taps: TAPS, weight: 0.1 },
  similarity: { loss: 'similarity', taps: TAPS, weight: 30 },
  pkt: { loss: 'pkt', taps: TAPS, weight: 3000 },
  'pkt, Gaussian kernel': { loss: 'pkt', taps: TAPS, weight: 100, width: 1 },
  'a module with adapters, labels and an order': { module: NEIGHBOURS, taps: TAPS, weight: 0.3 },
};

/** The term beside a relation of each student's own batch, which takes the same tensors, and terms of each sample. */
async function trainingOf(name: string): Promise<StepTraining> {
  const model = catalogueModel('cnn-student');
  const student = shapeSourceOf(model);
  disposeModel(model);
  const other = { classes: CLASSES, layer: (layer: string) => (layer === 'pool1' ? [8, 8, 4] : [7, 3, 8]), image: student.image };
  const terms = [{ loss: 'hinton' }, { ...TERMS[name], batch: 'gathered' as const }];
  const optimizer = { name: 'sgd', rate: RATE, momentum: 0.9, nesterov: false, weightDecay: 1e-3, decayAll: false } as const;
  return joinTraining(distilStage({ optimizer, loss: { labels: { weight: 1, smoothing: 0.1 }, terms } }), {
    student,
    teacher: other,
    seed: 1,
  });
}

function callOf(t: number, { loss, otherShapes }: StepTraining, size = SIZE): { readonly batch: StepBatch; readonly knobs: StepKnobs } {
  const random = new Prng(t, 5);
  const [batch] = callAt(t, { size, taught: false });
  const other = otherShapes.map((row) => {
    const shape = viewShape(row, size);
    return { shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()) };
  });
  return { batch: { ...batch, other }, knobs: { rate: RATE, loss: lossKnobsAt(loss.plan, { epoch: t, epochs: 40 }) } };
}

/** Programs on models of their own, which begin with the same parameters. */
function withPrograms<Result>(
  count: number,
  build: (model: ReturnType<typeof catalogueModel>) => StepProgram,
  use: (programs: readonly StepProgram[]) => Result,
): Result {
  const models = Array.from({ length: count }, () => catalogueModel('cnn-student'));
  const programs = models.map(build);
  try {
    return use(programs);
  } finally {
    for (const program of programs) program.dispose();
    for (const model of models) disposeModel(model);
  }
}

const eagerOf = (training: StepTraining) => (model: ReturnType<typeof catalogueModel>) =>
  buildEagerStep({ model, training, inputShape: INPUT_SHAPE });

/** The largest difference of a parameter. */
const apart = (a: Float32Array, b: Float32Array) => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('the tensors of a gathered batch', () => {
  beforeAll(async () => {
    await openEngine('cpu');
  });

  test('own rows are between those of the others; gradients flow through them alone, times all rows over own rows', () => {
    const vector = (values: number[]) => tf.tensor1d(values, 'int32');
    const rows = (values: number[]) => tf.tensor2d(values, [values.length, 1]);
    tf.tidy(() => {
      const rest = {
        before: 1,
        labels: { class_B: vector([1, 4, 5]), mixed: null },
        student: [rows([10, 40, 50])],
        other: [rows([-1, -4, -5])],
      };
      const own = (student: tf.Tensor) => ({
        labels: { class_B: vector([2, 3]), mixed: null },
        student: [student],
        other: [rows([-2, -3])],
      });
      const whole = gatherBatch(own(rows([20, 30])), rest);
      expect([...whole.labels.class_B.dataSync()]).toEqual([1, 2, 3, 4, 5]);
      expect([...whole.student[0]!.dataSync()]).toEqual([10, 20, 30, 40, 50]);
      expect([...whole.other[0]!.dataSync()]).toEqual([-1, -2, -3, -4, -5]);
      // Half the sum of squares: the gradient by each row is the row.
      const half = (student: tf.Tensor) => tf.mul(tf.sum(tf.square(gatherBatch(own(student), rest).student[0]!)), 0.5);
      expect([
        ...tf
          .grad(half)(rows([20, 30]))
          .dataSync(),
      ]).toEqual([20 * 2.5, 30 * 2.5]);
    });
  });

  test('labels of mixed images keep their second classes and shares', () => {
    tf.tidy(() => {
      const labels = (classes: number[], second: number[], share: number[]) => ({
        class_B: tf.tensor1d(classes, 'int32'),
        mixed: { second_B: tf.tensor1d(second, 'int32'), share_B: tf.tensor1d(share) },
      });
      const none = { student: [], other: [] };
      const { mixed } = gatherBatch(
        { labels: labels([1], [2], [0.5]), ...none },
        { before: 0, labels: labels([3], [4], [0.25]), ...none },
      ).labels;
      expect([[...mixed!.second_B.dataSync()], [...mixed!.share_B.dataSync()]]).toEqual([
        [2, 4],
        [0.5, 0.25],
      ]);
    });
  });
});

describeEachEngine((engine) => {
  test.each(Object.keys(TERMS))('%s: two and three students with uneven shares are one with the whole batch', async (name) => {
    const training = await trainingOf(name);
    const { loss } = training;
    for (const shares of engine === 'cpu' ? [[5, 3], THREE] : [THREE]) {
      withPrograms(1 + shares.length, eagerOf(training), ([alone, ...programs]) => {
        const start = alone!.readParameters();
        for (let t = 0; t < STEPS; t++) {
          const { batch, knobs } = callOf(t, training);
          const expected = alone!.step(batch, knobs);
          const results = stepRow({ programs, loss, batch, shares, knobs });
          for (const [key, value] of Object.entries(expected.terms)) {
            const sum = results.reduce((all, { terms }) => all + terms[key]!, 0);
            expect(Math.abs(sum - value), `${key} in step ${t + 1}`).toBeLessThanOrEqual(1e-4 * Math.abs(value));
          }
          expect(apart(programs[0]!.readParameters(), alone!.readParameters())).toBeLessThan(1e-5);
        }
        expect(apart(alone!.readParameters(), start)).toBeGreaterThan(1e-2);
      });
    }
  });
});

describeTensorflow('as graphs', () => {
  beforeAll(async () => {
    await openEngine('tensorflow');
  });

  test.each(Object.keys(TERMS))('%s: a step that is replayed as a graph is the eager one', async (name) => {
    const training = await trainingOf(name);
    const notices: TraceNotice[] = [];
    const tracedOf = (model: ReturnType<typeof catalogueModel>) =>
      buildTracedStep({ model, training, inputShape: INPUT_SHAPE, precision: 'fp32', onNotice: (notice) => void notices.push(notice) });
    withPrograms(2, eagerOf(training), (eager) =>
      withPrograms(2, tracedOf, (traced) => {
        for (let t = 0; t < STEPS; t++) {
          const call = { loss: training.loss, ...callOf(t, training), shares: [5, 3] };
          const expected = stepRow({ programs: eager, ...call });
          const found = stepRow({ programs: traced, ...call });
          for (const [i, { lossSum }] of found.entries()) expect(lossSum / expected[i]!.lossSum).toBeCloseTo(1, 4);
        }
        expect(notices.map(({ call, size, traced: isTraced, reason }) => ({ call, size, isTraced, reason }))).toEqual(
          [5, 3].map((size) => ({ call: 'cut step', size, isTraced: true, reason: undefined })),
        );
        expect(worstTensorError(eager[0]!, eager[0]!.readParameters(), traced[0]!.readParameters())).toBeLessThan(1e-4);
      }),
    );
  });

  test('a batch whose place in the gathered one has changed gets a graph of its own', async () => {
    const training = await trainingOf('a module with adapters, labels and an order');
    const notices: TraceNotice[] = [];
    const build = (model: ReturnType<typeof catalogueModel>) =>
      buildTracedStep({ model, training, inputShape: INPUT_SHAPE, precision: 'fp32', onNotice: (notice) => void notices.push(notice) });
    withPrograms(1, eagerOf(training), ([alone]) =>
      withPrograms(2, build, (programs) => {
        // The third step in which the two have changed places is a graph again.
        for (const [t, inOrder] of [true, false, false, false].entries()) {
          const { batch, knobs } = callOf(t, training);
          alone!.step(batch, knobs);
          stepRow({ programs: inOrder ? programs : programs.toReversed(), loss: training.loss, batch, shares: [4, 4], knobs });
        }
        expect(notices.map(({ traced }) => traced)).toEqual([true, true, true, true]);
        expect(apart(programs[0]!.readParameters(), alone!.readParameters())).toBeLessThan(1e-5);
      }),
    );
  });
});
