/** The memory of a loss: rows of the samples, which a step renews, and numbers that the first step fixes. They lie behind the adapters in the arena. */

import { beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { shapeSourceOf } from '../../src/nn/knowledge-model.js';
import { batchSamples } from '../../src/step/batch-samples.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { joinTraining } from '../../src/step/load-training.js';
import type { StepBatch, StepKnobs, StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { openPair, worstTensorError } from '../support/trace-parity.js';
import { distilStage, noiseBatch, normModel } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const SAMPLES = 12;
const WIDTH = 4;
const SIZE = 3;
const optimizer: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0.5, decayAll: true };
const KNOBS: StepKnobs = { rate: 0.01, loss: { 'labels.weight': 1, 'crd.weight': 0.8 } };
const build = () => normModel(SHAPE.inputShape, SHAPE.classes, 1);
const made = disposeAfterEach();

async function trainingOf(samples = SAMPLES, seed = 5): Promise<StepTraining> {
  const model = build();
  const student = shapeSourceOf(model);
  model.dispose();
  const term = { loss: 'crd', taps: [['relu', 'far'] as const], negatives: 5, width: WIDTH };
  const stage = distilStage({ optimizer, loss: { labels: { weight: 1, smoothing: 0 }, terms: [term] } });
  return joinTraining(stage, { student, teacher: { ...student, layer: () => [7] }, seed, samples });
}

function programOf(training: StepTraining): StepProgram {
  const model = build();
  const program = buildEagerStep({ model, training, inputShape: SHAPE.inputShape });
  made.push(program, model);
  return program;
}

function batchAt(t: number, training: StepTraining): StepBatch {
  const random = new Prng(t, 9);
  const other = [{ shape: [SIZE, 7], data: Float32Array.from({ length: SIZE * 7 }, () => random.normal()) }];
  const ids = Int32Array.from({ length: SIZE }, (_, i) => (5 * i + t) % SAMPLES);
  return { ...noiseBatch(t, { ...SHAPE, size: SIZE }), other, ...batchSamples(training, { seed: 1, epoch: t }, ids) };
}

/** The part of the arena that is an entry of the schema. */
function entryOf({ schema }: StepProgram, arena: Float32Array, name: string): Float32Array {
  const { offset, size } = schema.entries.find((entry) => entry.name === `memory:crd.pair1-${name}`)!;
  return arena.slice(offset, offset + size);
}

const rowsOf = (values: Float32Array): number[][] =>
  Array.from({ length: SAMPLES }, (_, row) => [...values.subarray(row * WIDTH, (row + 1) * WIDTH)]);

describeEachEngine(() => {
  test('it lies behind the adapters, and begins as seed, name and row say: rows of length 1, and 0', async () => {
    const [one, same, other, more] = [await trainingOf(), await trainingOf(), await trainingOf(SAMPLES, 6), await trainingOf(20)].map(
      programOf,
    ) as [StepProgram, StepProgram, StepProgram, StepProgram];
    const { entries, averaged, size } = one.schema;
    expect(entries.slice(-4).map(({ name, shape, kind, trainable }) => [name, shape, kind, trainable])).toEqual([
      ['memory:crd.pair1-student-rows', [SAMPLES, WIDTH], 'memory', false],
      ['memory:crd.pair1-student-z', [], 'memory', false],
      ['memory:crd.pair1-teacher-rows', [SAMPLES, WIDTH], 'memory', false],
      ['memory:crd.pair1-teacher-z', [], 'memory', false],
    ]);
    expect(size - averaged).toBe(2 * SAMPLES * WIDTH + 2);
    const arena = one.readParameters();
    expect(same.readParameters()).toEqual(arena);
    for (const name of ['student-rows', 'teacher-rows']) {
      const rows = rowsOf(entryOf(one, arena, name));
      for (const row of rows) expect(Math.hypot(...row)).toBeCloseTo(1, 6);
      expect(rowsOf(entryOf(other, other.readParameters(), name))).not.toEqual(rows);
      expect(rowsOf(entryOf(more, more.readParameters(), name)), 'a row does not depend on their number').toEqual(rows);
    }
    expect(entryOf(one, arena, 'student-rows')).not.toEqual(entryOf(one, arena, 'teacher-rows'));
    expect([...entryOf(one, arena, 'student-z')]).toEqual([0]);
  });

  test('a method may give a number of the memory back as it was: it stays, step after step', async () => {
    const training = await trainingOf();
    const { loss } = training;
    const place = loss.memory!.findIndex(({ width }) => width === null);
    const sum: typeof loss.sum = (inputs, knobs) => {
      const value = loss.sum(inputs, knobs);
      return { ...value, memory: { ...value.memory, [loss.memory![place]!.name]: inputs.memory![place]! } };
    };
    const program = programOf({ ...training, loss: { ...loss, sum } });
    const numberOf = () => entryOf(program, program.readParameters(), 'student-z')[0];
    for (let t = 0; t < 2; t++) {
      program.step(batchAt(t, training), KNOBS);
      expect(numberOf()).toBe(0);
    }
  });

  test('a step renews the rows of its samples alone, without weight decay, and the first one fixes Z', async () => {
    const training = await trainingOf();
    const program = programOf(training);
    let before = program.readParameters();
    for (let t = 0; t < 3; t++) {
      const batch = batchAt(t, training);
      program.step(batch, KNOBS);
      const after = program.readParameters();
      for (const name of ['student-rows', 'teacher-rows']) {
        const [old, next] = [before, after].map((arena) => rowsOf(entryOf(program, arena, name))) as [number[][], number[][]];
        next.forEach((row, sample) => {
          expect(Math.hypot(...row)).toBeCloseTo(1, 5);
          if (batch.samples!.ids.includes(sample)) expect(row).not.toEqual(old[sample]);
          else expect(row).toEqual(old[sample]);
        });
      }
      for (const name of ['student-z', 'teacher-z']) {
        const [old, next] = [before, after].map((arena) => entryOf(program, arena, name)[0]!) as [number, number];
        expect(next).toBeGreaterThan(0);
        if (t > 0) expect(next).toBe(old);
      }
      before = after;
    }
    expect(program.slotCount, 'the optimiser has no state for it').toBe(program.schema.averaged - 8);
  });

  test('cut in two, it is the whole step to the bit; a half that is dropped, and measuring, leave it as it was', async () => {
    const training = await trainingOf();
    const [whole, cut] = [programOf(training), programOf(training)];
    for (let t = 0; t < 3; t++) {
      const batch = batchAt(t, training);
      const before = cut.readParameters();
      cut.forward(batch.images, SIZE);
      cut.abandon();
      const lengths = cut.gradientLengths(batch, KNOBS.loss);
      expect(lengths.crd).toBeGreaterThan(0);
      expect(cut.readParameters()).toEqual(before);
      cut.forward(batch.images, SIZE);
      expect(cut.backward(batch, KNOBS)).toEqual(whole.step(batch, KNOBS));
      cut.writeParameters(cut.readParameters());
    }
    expect(cut.readParameters()).toEqual(whole.readParameters());
    expect(cut.readSlots()).toEqual(whole.readSlots());
  });

  test('a batch without its samples, or with one that is not there, is a mistake of the caller', async () => {
    const training = await trainingOf();
    const program = programOf(training);
    const batch = batchAt(0, training);
    expect(() => program.step({ ...batch, samples: undefined }, KNOBS)).toThrow('the samples of the batch');
    const samples = { ...batch.samples!, ids: Int32Array.of(0, 1, SAMPLES) };
    expect(() => program.step({ ...batch, samples }, KNOBS)).toThrow(`a sample is not below ${SAMPLES}`);
  });
});

test('as many draws as samples, and a memory that is too large, are refused with the numbers', async () => {
  await openEngine('cpu');
  await expect(trainingOf(5)).rejects.toThrow('each sample is contrasted with 5 others, and the split train has 5');
  await expect(trainingOf(6)).resolves.toBeDefined();
  await expect(trainingOf(2 ** 27)).rejects.toThrow(
    'the memory of 134,217,728 samples takes 4097 MiB, and a state can have 4096 MiB of it',
  );
});

describeTensorflow('memory, traced', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('whole and cut: the eager steps, up to rounding', async () => {
    const training = await trainingOf();
    const { eager, traced, notices, dispose } = openPair({ build, stage: training.stage, training, inputShape: SHAPE.inputShape });
    for (let t = 0; t < 4; t++) {
      const batch = batchAt(t, training);
      expect(traced.step(batch, KNOBS).lossSum / eager.step(batch, KNOBS).lossSum).toBeCloseTo(1, 5);
      for (const program of [traced, eager]) program.forward(batch.images, SIZE);
      expect(traced.backward(batch, KNOBS).lossSum / eager.backward(batch, KNOBS).lossSum).toBeCloseTo(1, 5);
    }
    expect(notices.map(({ call, traced: isTraced }) => [call, isTraced])).toEqual([
      ['step', true],
      ['cut step', true],
    ]);
    expect(worstTensorError(eager, eager.readParameters(), traced.readParameters())).toBeLessThan(1e-5);
    dispose();
  });

  test('a cut step makes a batch up for its recording, and never again', async () => {
    const training = await trainingOf();
    let drawn = 0;
    const draws = {
      get draws() {
        drawn += 1;
        return training.loss.draws;
      },
    };
    const loss = Object.defineProperties({ ...training.loss }, Object.getOwnPropertyDescriptors(draws));
    const options = { build, stage: training.stage, training: { ...training, loss }, inputShape: SHAPE.inputShape };
    const { traced, dispose } = openPair(options);
    const batches = [0, 1, 2].map((t) => batchAt(t, training));
    const counts = batches.map((batch) => {
      traced.forward(batch.images, SIZE);
      traced.backward(batch, KNOBS);
      return drawn;
    });
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts.slice(1)).toEqual([counts[0], counts[0]]);
    dispose();
  });
});
