/** Frozen layers: no step changes them, whatever it does to the others, and their BatchNorms run as in inference. */

import { input, type LayersModel, layers, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FreezeRecipe, OptimizerRecipe, PeerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { frozenLayers } from '../../src/nn/freeze.js';
import { initialise } from '../../src/nn/initialise.js';
import { shapeSourceOf } from '../../src/nn/knowledge-model.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { joinTraining } from '../../src/step/load-training.js';
import type { StepBatch, StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { OPTIMIZERS, openPair } from '../support/trace-parity.js';
import { distilStage, noiseBatch, trainStage } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const MAP = [6, 6, 4] as const;
const LOWER = ['conv1', 'norm1'];
const UPPER = ['conv2', 'norm2', 'logits'];
const [MOMENTUM, ADAM] = [OPTIMIZERS["sgd with Nesterov's momentum and weight decay"]!, OPTIMIZERS['adam with weight decay on all']!];
const PLAIN: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0, nesterov: false, weightDecay: 0, decayAll: false };

const made = disposeAfterEach();

type Shape = readonly [number, number, number];

/** A convolution with BatchNorm and ReLU. */
function block(x: SymbolicTensor, number: number): SymbolicTensor {
  const conv = layers.conv2d({ name: `conv${number}`, filters: 4, kernelSize: 3, padding: 'same', useBias: false }).apply(x);
  const norm = layers.batchNormalization({ name: `norm${number}`, epsilon: 1e-5, momentum: 0.9 }).apply(conv);
  return layers.activation({ name: `relu${number}`, activation: 'relu' }).apply(norm) as SymbolicTensor;
}

/** The blocks from this one to the second, and a linear layer. */
function blocks(shape: Shape, from: 1 | 2): LayersModel {
  const image = input({ shape: [...shape], name: 'image' });
  const x = layers.flatten({ name: 'flatten' }).apply(block(from === 1 ? block(image, 1) : image, 2));
  const model = makeModel({ inputs: image, outputs: layers.dense({ name: 'logits', units: SHAPE.classes }).apply(x) as SymbolicTensor });
  initialise(model, 'torch', 4);
  return model;
}

const build = () => blocks(SHAPE.inputShape, 1);

function trainingOf(stage: PeerRecipe): Promise<StepTraining> {
  const model = build();
  const student = shapeSourceOf(model);
  disposeModel(model);
  return joinTraining(stage, { student, teacher: { classes: SHAPE.classes, layer: () => MAP, image: () => SHAPE.inputShape }, seed: 1 });
}

const labelled = (optimizer: OptimizerRecipe, freeze?: FreezeRecipe) => trainingOf({ ...trainStage({ optimizer }), freeze });
const hinted = (optimizer: OptimizerRecipe, freeze?: FreezeRecipe) => {
  const terms = [{ loss: 'fitnets', weight: 1, taps: [['relu1', 'hint'] as const] }];
  return trainingOf({ ...distilStage({ optimizer, loss: { labels: { weight: 0, smoothing: 0 }, terms } }), freeze });
};

function programOf(training: StepTraining | null): StepProgram {
  const model = build();
  const program = buildEagerStep({ model, training, inputShape: SHAPE.inputShape });
  made.push(program, model);
  return program;
}

const LABELS = { rate: 0.05, loss: { 'labels.weight': 1 } };
const HINT = { rate: 0.05, loss: { 'labels.weight': 0, 'fitnets.weight': 1 } };

function hintBatch(t: number): StepBatch {
  const { images } = noiseBatch(t + 50, { size: 8, inputShape: MAP, classes: 2 });
  return { ...noiseBatch(t, { ...SHAPE, size: 8 }), other: [{ shape: [8, ...MAP], data: images }] };
}

/** The numbers of each weight of these layers, by its name. */
function weightsIn({ schema }: StepProgram, arena: Float32Array, names: readonly string[]): Record<string, Float32Array> {
  const own = schema.entries.filter(({ name }) => names.includes(name.split('/')[0]!));
  return Object.fromEntries(own.map(({ name, offset, size }) => [name, arena.slice(offset, offset + size)]));
}

function expectOnlyChanged(program: StepProgram, before: Float32Array, { changed, kept }: { changed: string[]; kept: string[] }): void {
  const after = program.readParameters();
  expect(weightsIn(program, after, kept)).toEqual(weightsIn(program, before, kept));
  const [old, moved] = [weightsIn(program, before, changed), weightsIn(program, after, changed)];
  expect(Object.keys(moved).length).toBeGreaterThan(changed.length);
  for (const [name, values] of Object.entries(moved)) expect(values, name).not.toEqual(old[name]);
}

describeEachEngine(() => {
  describe.each([
    ['momentum and weight decay', MOMENTUM],
    ['adam with weight decay on all', ADAM],
  ])('%s', (_, optimizer) => {
    test('through a layer: it and all before it stay to the bit, statistics too, and the others learn', async () => {
      const program = programOf(await labelled(optimizer, { through: 'relu1' }));
      const before = program.readParameters();
      for (let t = 0; t < 3; t++) {
        program.step(noiseBatch(t, { ...SHAPE, size: 8 }), LABELS);
        const { images, labels } = noiseBatch(t, { ...SHAPE, size: 8 });
        program.forward(images, 8);
        program.backward({ labels, other: [] }, LABELS);
      }
      expectOnlyChanged(program, before, { changed: UPPER, kept: LOWER });
    });

    test('after a layer: all that it does not depend on stay, and the update is that of the hint alone', async () => {
      const [program, free] = [programOf(await hinted(optimizer, { after: 'relu1' })), programOf(await hinted(optimizer))];
      const before = program.readParameters();
      for (let t = 0; t < 3; t++) for (const one of [program, free]) one.step(hintBatch(t), HINT);
      expectOnlyChanged(program, before, { changed: [...LOWER, 'adapter:fitnets.kernel1', 'adapter:fitnets.bias1'], kept: UPPER });
      const [own, theirs] = [program, free].map((one) => weightsIn(one, one.readParameters(), LOWER));
      for (const [name, values] of Object.entries(own!)) {
        values.forEach((value, i) => void expect(value, name).toBeCloseTo(theirs![name]![i]!, 5));
      }
      // Without freeze, weight decay and the statistics would have moved them.
      expect(weightsIn(free, free.readParameters(), UPPER)).not.toEqual(weightsIn(free, before, UPPER));
    });

    test('stopped and resumed, it goes on to the bit; the optimiser keeps nothing of what is frozen', async () => {
      const training = await labelled(optimizer, { through: 'relu1' });
      const [whole, first, second] = [programOf(training), programOf(training), programOf(training)];
      const run = (program: StepProgram, from: number, to: number) => {
        for (let t = from; t < to; t++) program.step(noiseBatch(t, { ...SHAPE, size: 8 }), LABELS);
      };
      run(whole, 0, 4);
      run(first, 0, 2);
      second.writeParameters(first.readParameters());
      second.writeSlots(first.readSlots());
      run(second, 2, 4);
      expect(second.readParameters()).toEqual(whole.readParameters());
      expect(second.readSlots()).toEqual(whole.readSlots());
      expect(whole.slotCount).toBeLessThan(programOf(await labelled(optimizer)).slotCount);
    });
  });

  test('the others learn as a model of their own would from what the frozen layers put out in inference', async () => {
    const program = programOf(await labelled(PLAIN, { through: 'relu1' }));
    const model = blocks(MAP, 2);
    const head = buildEagerStep({ model, training: await labelled(PLAIN), inputShape: MAP });
    made.push(head, model);
    const statistics = Float32Array.from(program.readParameters(), (value) => value + 0.25);
    program.writeParameters(statistics);
    const share = weightsIn(program, statistics, UPPER);
    const arena = head.readParameters();
    for (const { name, offset } of head.schema.entries) arena.set(share[name]!, offset);
    head.writeParameters(arena);
    for (let t = 0; t < 3; t++) {
      const batch = noiseBatch(t, { ...SHAPE, size: 8 });
      const [features] = program.answer(batch.images, 8, [{ of: 'tap', layer: 'relu1', reduce: null }]);
      const [found, expected] = [program.step(batch, LABELS), head.step({ ...batch, images: features!.data }, LABELS)];
      expect(found.lossSum).toBeCloseTo(expected.lossSum, 4);
    }
    const [own, theirs] = [weightsIn(program, program.readParameters(), UPPER), weightsIn(head, head.readParameters(), UPPER)];
    for (const [name, values] of Object.entries(own)) {
      values.forEach((value, i) => void expect(value, name).toBeCloseTo(theirs[name]![i]!, 4));
    }
  });

  test('a gradient goes through frozen layers: it is that of differences', async () => {
    const program = programOf(await labelled(PLAIN, { after: 'relu1' }));
    const start = program.readParameters();
    const batch = noiseBatch(1, { ...SHAPE, size: 8 });
    const lossAt = (arena: Float32Array) => {
      program.writeParameters(arena);
      return program.step(batch, { ...LABELS, rate: 0 }).lossSum / 8;
    };
    program.step(batch, { ...LABELS, rate: 1 });
    const after = program.readParameters();
    const { offset, size } = program.schema.entries.find(({ name }) => name === 'conv1/kernel')!;
    const gradient = start.slice(offset, offset + size).map((value, i) => value - after[offset + i]!);
    const largest = gradient.reduce((most, value, i) => (Math.abs(value) > Math.abs(gradient[most]!) ? i : most), 0);
    const moved = (by: number) => start.map((value, i) => (i === offset + largest ? value + by : value));
    expect(gradient[largest]! / ((lossAt(moved(5e-3)) - lossAt(moved(-5e-3))) / 1e-2)).toBeCloseTo(1, 1);
  });
});

describe('layers that cannot be frozen', () => {
  test.each<[FreezeRecipe, string]>([
    [{ through: 'rely1' }, 'the model has no layer "rely1"; did you mean "relu1"?'],
    [{ through: 'logits' }, 'every layer with weights that train lies through "logits", so nothing would train'],
    [{ after: 'logits' }, 'no layer after "logits" has weights that train, so there is nothing to freeze'],
  ])('%j', async (freeze, message) => {
    await openEngine('cpu');
    const model = build();
    expect(() => frozenLayers(model, freeze)).toThrow(message);
    disposeModel(model);
  });
});

describeTensorflow('frozen layers, traced', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each<[string, FreezeRecipe]>([
    ['through', { through: 'relu1' }],
    ['after', { after: 'relu1' }],
  ])('%s a layer, whole and cut: the eager steps to the bit', async (_, freeze) => {
    const training = await labelled(MOMENTUM, freeze);
    const { eager, traced, notices, dispose } = openPair({ build, stage: training.stage, training, inputShape: SHAPE.inputShape });
    const before = eager.readParameters();
    for (let t = 0; t < 4; t++) {
      const { images, labels, size, other } = noiseBatch(t, { ...SHAPE, size: 8 });
      expect(traced.step({ images, labels, size, other }, LABELS)).toEqual(eager.step({ images, labels, size, other }, LABELS));
      expect(traced.forward(images, 8)).toEqual(eager.forward(images, 8));
      expect(traced.backward({ labels, other }, LABELS)).toEqual(eager.backward({ labels, other }, LABELS));
    }
    expect(notices.map(({ call, traced: isTraced }) => [call, isTraced])).toEqual([
      ['step', true],
      ['cut step', true],
    ]);
    expect(traced.readParameters()).toEqual(eager.readParameters());
    expect(traced.readSlots()).toEqual(eager.readSlots());
    const kept = freeze.through === undefined ? UPPER : LOWER;
    expectOnlyChanged(traced, before, { changed: freeze.through === undefined ? LOWER : UPPER, kept });
    dispose();
  });
});
