/** The gradient of the cross-entropy by the images, and the gradient of a loss of it by the weights, against PyTorch's double backward. */

import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { type LayersModel, layers, input as makeInput, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { lossKnobsAt } from '../../src/losses/loss-plan.js';
import { shapeSourceOf, withoutLayers } from '../../src/nn/knowledge-model.js';
import { arenaSchemaOf, disposeModel } from '../../src/nn/weights.js';
import { batchKnowledge } from '../../src/step/batch-knowledge.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { inputGradient } from '../../src/step/input-gradient.js';
import { joinTraining } from '../../src/step/load-training.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { LOGITS_SPEC } from '../../src/tensor/knowledge.js';
import type { TraceNotice } from '../../src/trace/trace-notice.js';
import { buildTracedStep } from '../../src/trace/traced-step.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import type { Plain } from '../support/plain-tensor.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { distilStage } from '../support/training.js';

type Layer = LayersModel['layers'][number];

interface Golden {
  readonly images: Plain;
  readonly labels: readonly number[];
  readonly student: Readonly<Record<string, readonly Plain[]>>;
  readonly teacher: Readonly<Record<string, readonly Plain[]>>;
  /** The teacher's gradient by the images, in inference mode. */
  readonly teacherMap: Plain;
  /** The mean over the batch of the squared distance of the two gradients. */
  readonly loss: number;
  /** By the student's weights, in the order of its layers. */
  readonly gradients: readonly Plain[];
}

const golden = JSON.parse(readFileSync(new URL('golden/input-gradient.json', import.meta.url), 'utf8')) as Golden;
const INPUT_SHAPE = [6, 6, 2] as const;
const SIZE = golden.labels.length;
const CLASSES = 3;
const RATE = 0.01;
const INPUT_GRADIENT = { of: 'input-gradient' } as const;
const images = () => Float32Array.from(golden.images.data);
const labels = () => Int32Array.from(golden.labels);
/** So many copies of the batch one after the other: a batch with the same statistics, and the same mean gradient. */
const copied = (data: readonly number[], copies: number) => Array.from({ length: copies }, () => data).flat();

const made = disposeAfterEach();

/** A convolution with ReLU and max pooling, one with BatchNorm and LeakyReLU, and a linear layer. */
function modelWith(weights: Golden['student'], more: readonly Layer[] = []): LayersModel {
  const image = makeInput({ shape: [...INPUT_SHAPE] });
  const stack = [
    layers.conv2d({ name: 'conv1', filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }),
    layers.maxPooling2d({ name: 'pool', poolSize: 2 }),
    layers.conv2d({ name: 'conv2', filters: 5, kernelSize: 3, padding: 'same', useBias: false }),
    layers.batchNormalization({ name: 'norm', epsilon: 1e-3 }),
    layers.leakyReLU({ name: 'leaky', alpha: 0.3 }),
    ...more,
    layers.flatten({ name: 'flatten' }),
    layers.dense({ name: 'logits', units: CLASSES }),
  ];
  const logits = stack.reduce<SymbolicTensor>((x, layer) => layer.apply(x) as SymbolicTensor, image);
  const model = makeModel({ inputs: image, outputs: logits });
  for (const [name, tensors] of Object.entries(weights)) {
    const values = tensors.map(({ shape, data }) => tf.tensor(Float32Array.from(data), [...shape]));
    model.getLayer(name).setWeights(values);
    tf.dispose(values);
  }
  return model;
}

function openModel(weights: Golden['student'], more: readonly Layer[] = []): LayersModel {
  const model = modelWith(weights, more);
  made.push({ dispose: () => disposeModel(model) });
  return model;
}

async function training(model: LayersModel, weight = 1): Promise<StepTraining> {
  const optimizer = { name: 'sgd', rate: RATE, momentum: 0, nesterov: false, weightDecay: 0, decayAll: false } as const;
  const loss = { labels: { weight: weight === 0 ? 1 : 0, smoothing: 0 }, terms: [{ loss: 'gradient-attention', weight }] };
  const student = shapeSourceOf(model);
  return joinTraining(distilStage({ optimizer, loss }), { student, teacher: student, seed: 1 });
}

/** The same for a peer of a mutual stage with one other peer and a teacher. */
async function mutualTraining(model: LayersModel): Promise<StepTraining> {
  const { stage } = await training(model);
  const terms = [
    { loss: 'hinton', weight: 0.5 },
    { loss: 'gradient-attention', weight: 1, from: 'teacher' as const },
  ];
  const student = shapeSourceOf(model);
  const loss = { labels: { weight: 1, smoothing: 0 }, terms };
  return joinTraining({ ...stage, loss, others: ['other'] }, { student, teacher: student, seed: 1 });
}

/** The logits of the other peer; the teacher's knowledge comes before them. */
const peerLogits = () => ({ shape: [SIZE, CLASSES], data: Float32Array.from({ length: SIZE * CLASSES }, (_, i) => (i % 5) - 2) });

function openProgram(way: 'eager' | 'traced', model: LayersModel, plan: StepTraining): StepProgram {
  const options = { model, training: plan, inputShape: INPUT_SHAPE };
  return way === 'eager' ? buildEagerStep(options) : buildTracedStep({ ...options, precision: 'fp32', onNotice: () => {} });
}

const batchOf = (copies = 1) => ({
  size: copies * SIZE,
  images: Float32Array.from(copied(golden.images.data, copies)),
  labels: { classes: Int32Array.from(copied(golden.labels, copies)), mixed: null },
  other: [{ shape: [copies * SIZE, ...INPUT_SHAPE], data: Float32Array.from(copied(golden.teacherMap.data, copies)) }],
});
const knobsOf = ({ loss }: StepTraining) => ({ rate: RATE, loss: lossKnobsAt(loss.plan, { epoch: 0, epochs: 1 }) });

/** The largest difference of two lists over the largest number of the second. */
function worstError(found: ArrayLike<number>, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / largest;
}

describeEachEngine((engine) => {
  test('a teacher answers with the gradient by its images, beside its logits, in the order asked for', () => {
    const program = buildEagerStep({ model: openModel(golden.teacher), training: null, inputShape: INPUT_SHAPE });
    made.unshift(program);
    const about = { images: images(), labels: labels() };
    const [first, logits, again] = batchKnowledge(program, about, [INPUT_GRADIENT, LOGITS_SPEC, INPUT_GRADIENT]);
    expect(first?.shape).toEqual(golden.teacherMap.shape);
    expect(worstError(first!.data, golden.teacherMap.data)).toBeLessThan(1e-5);
    expect(again).toEqual(first);
    expect(logits).toEqual(program.answer(images(), SIZE, [LOGITS_SPEC])[0]);
  });

  // The distance by which the images move suits a batch of any size: too small a one would leave nothing but rounding.
  const builds = engine === 'tensorflow' ? (['eager', 'traced'] as const) : (['eager'] as const);
  const sizes = builds.flatMap((way) => [1, 30].map((copies) => ({ way, copies })));

  test.each(sizes)('a step moves each weight by the double backward of PyTorch, to 1e-3: $way, $copies x the batch', async (one) => {
    const { way, copies } = one;
    const model = openModel(golden.student);
    const plan = await training(model);
    const program = openProgram(way, model, plan);
    made.unshift(program);
    const before = program.readParameters();
    const { lossSum, count } = program.step(batchOf(copies), knobsOf(plan));
    expect(lossSum / count / golden.loss).toBeCloseTo(1, 4);
    const after = program.readParameters();
    const expected = [...golden.gradients];
    for (const { name, offset, size, trainable } of arenaSchemaOf(model).entries) {
      if (!trainable) continue;
      const moved = after.subarray(offset, offset + size).map((value, i) => (before[offset + i]! - value) / RATE);
      expect(worstError(moved, expected.shift()!.data as number[]), name).toBeLessThan(1e-3);
    }
    expect(expected).toEqual([]);
  });

  test.each(builds)('cut in two, beside a term that learns from a peer, it is the whole step to the bit: %s', async (way) => {
    const mutual = await mutualTraining(openModel(golden.student));
    const open = () => {
      const program = openProgram(way, openModel(golden.student), mutual);
      made.unshift(program);
      return program;
    };
    const [whole, cut] = [open(), open()];
    const before = cut.readParameters();
    const batch = { ...batchOf(), other: [...batchOf().other, peerLogits()] };
    for (let t = 0; t < 3; t++) {
      const expected = whole.step(batch, knobsOf(mutual));
      expect(expected.terms['gradient-attention']).toBeGreaterThan(0);
      expect(cut.forward(batch.images, SIZE).map(({ shape }) => shape)).toEqual([[SIZE, CLASSES]]);
      expect(cut.backward(batch, knobsOf(mutual))).toEqual(expected);
    }
    expect(cut.readParameters()).toEqual(whole.readParameters());
    expect(cut.readParameters()).not.toEqual(before);
  });

  test('where all but one image of a large batch agree with the teacher, the one moves no further than it may', async () => {
    const copies = 30;
    const own = tf.tidy(() => {
      const model = openModel(golden.student);
      const predict = (input: tf.Tensor) => model.apply(input, { training: true }) as tf.Tensor;
      return inputGradient(tf.tensor4d(images(), [SIZE, ...INPUT_SHAPE]), tf.tensor1d(labels(), 'int32'), predict).dataSync();
    });
    const pixels = own.length / SIZE;
    // The gradient is a sum over the images that differ: each alone, in turn.
    const sums = new Map<string, Float64Array>();
    for (let image = 0; image < SIZE; image++) {
      const map = Float32Array.from(copied([...own], copies));
      map.set(golden.teacherMap.data.slice(image * pixels, (image + 1) * pixels), image * pixels);
      const model = openModel(golden.student);
      const plan = await training(model);
      const program = buildEagerStep({ model, training: plan, inputShape: INPUT_SHAPE });
      made.unshift(program);
      const before = program.readParameters();
      program.step(
        { ...batchOf(copies), other: [{ shape: [copies * SIZE, ...INPUT_SHAPE], data: map }] },
        { ...knobsOf(plan), rate: copies },
      );
      const after = program.readParameters();
      for (const { name, offset, size, trainable } of arenaSchemaOf(model).entries) {
        if (!trainable) continue;
        const sum = sums.get(name) ?? new Float64Array(size);
        sums.set(
          name,
          sum.map((value, i) => value + before[offset + i]! - after[offset + i]!),
        );
      }
    }
    const expected = golden.gradients.flatMap(({ data }) => [...data]);
    const found = [...sums.values()].flatMap((sum) => [...sum]);
    expect(found.length).toBe(expected.length);
    // 4e-2 if the one moved by the share of all; the rest is the rounding of a batch of which one image counts.
    expect(Math.hypot(...expected.map((value, i) => value - found[i]!)) / Math.hypot(...expected)).toBeLessThan(1e-2);
  });

  test('the running statistics move once, as in a step without the term; a half that is dropped leaves nothing', async () => {
    const statistics = await Promise.all(
      [1, 0].map(async (weight) => {
        const model = openModel(golden.student);
        const plan = await training(model, weight);
        const program = buildEagerStep({ model, training: plan, inputShape: INPUT_SHAPE });
        made.unshift(program);
        program.forward(images(), SIZE);
        program.abandon();
        program.step(batchOf(), knobsOf(plan));
        const arena = program.readParameters();
        const moved = arenaSchemaOf(model).entries.filter(({ kind }) => kind === 'norm-mean' || kind === 'norm-variance');
        return moved.map(({ offset, size }) => arena.slice(offset, offset + size));
      }),
    );
    expect(statistics[0]).toHaveLength(2);
    expect(statistics[0]).toEqual(statistics[1]);
  });

  test.each([
    ['draws at random', () => layers.dropout({ name: 'drop', rate: 0.5 }), 'in its layer "drop" (Dropout)'],
    ['has other kinks', () => layers.prelu({ name: 'prelu' }), 'whose operation Prelu has kinks that cannot be held'],
  ])('a student that %s is refused by name', async (_, layer, message) => {
    const model = openModel(golden.student, [layer()]);
    const plan = await training(model);
    const act = () => {
      const program = buildEagerStep({ model, training: plan, inputShape: INPUT_SHAPE });
      made.unshift(program);
      program.step(batchOf(), knobsOf(plan));
    };
    expect(act).toThrow(expect.objectContaining({ code: 'model.invalid', message: expect.stringContaining(message) }));
  });
});

describeTensorflow('in bf16', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('it runs op by op in fp32, whole and cut, and says why', async () => {
    const plan = await training(openModel(golden.student));
    const notices: TraceNotice[] = [];
    const eager = buildEagerStep({ model: openModel(golden.student), training: plan, inputShape: INPUT_SHAPE });
    const options = { model: openModel(golden.student), training: plan, inputShape: INPUT_SHAPE };
    const wished = buildTracedStep({ ...options, precision: 'bf16', onNotice: (notice) => void notices.push(notice) });
    made.unshift(eager, wished);
    expect(wished.step(batchOf(), knobsOf(plan))).toEqual(eager.step(batchOf(), knobsOf(plan)));
    for (const program of [eager, wished]) program.forward(images(), SIZE);
    expect(wished.backward(batchOf(), knobsOf(plan))).toEqual(eager.backward(batchOf(), knobsOf(plan)));
    expect(wished.readParameters()).toEqual(eager.readParameters());
    const refused = {
      size: SIZE,
      traced: false,
      precision: 'fp32',
      reason: expect.stringContaining('small differences, which bf16 does not show'),
    };
    expect(notices).toEqual([
      { call: 'step', ...refused },
      { call: 'cut step', ...refused },
    ]);
  });
});

describe('shapes', () => {
  test('the peers of a mutual stage give no gradient by their images', () => {
    expect(() => withoutLayers(CLASSES).image()).toThrow('the peers of a mutual stage give each other their logits only');
  });
});
