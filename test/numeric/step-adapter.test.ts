/** Adapters: variables of a loss, which train with the model, lie behind it in the arena, and are not the model's. */

import { beforeAll, describe, expect, test } from 'vitest';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { arenaSchemaOf, readArena } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepBatch, StepKnobs, StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { adapterTraining } from '../support/adapter-training.js';
import { disposeAfterEach } from '../support/dispose-after-each.js';
import { describeEachEngine } from '../support/each-engine.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { OPTIMIZERS, openPair } from '../support/trace-parity.js';
import { noiseBatch, normModel } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SHAPE = { inputShape: [6, 6, 3], classes: 5 } as const;
const MAP = [6, 6, 3] as const;
const sgd: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0, nesterov: false, weightDecay: 0.5, decayAll: false };
const KNOBS: StepKnobs = { rate: 0.01, loss: { 'labels.weight': 1, 'hint.weight': 0.05 } };

const made = disposeAfterEach();

function programOf(training: StepTraining | null): StepProgram {
  const model = normModel(SHAPE.inputShape, SHAPE.classes, 1);
  const program = buildEagerStep({ model, training, inputShape: SHAPE.inputShape });
  made.push(program, model);
  return program;
}

function batchAt(t: number, size = 8): StepBatch {
  const batch = noiseBatch(t, { ...SHAPE, size });
  const { images } = noiseBatch(t + 50, { size, inputShape: MAP, classes: 2 });
  return { ...batch, other: [{ shape: [size, ...MAP], data: images }] };
}

/** The part of an arena that is an entry of the schema. */
function entryOf({ schema }: StepProgram, arena: Float32Array, name: string): Float32Array {
  const { offset, size } = schema.entries.find((entry) => entry.name === name)!;
  return arena.slice(offset, offset + size);
}

describeEachEngine(() => {
  test('they lie behind the model, whose part of the arena is what it is without them', () => {
    const [plain, taught] = [programOf(null), programOf(adapterTraining(sgd, MAP))];
    const { schema } = taught;
    expect(schema.entries.slice(-2).map(({ name, shape, trainable }) => [name, shape, trainable])).toEqual([
      ['adapter:hint.kernel', [1, 1, 4, 3], true],
      ['adapter:hint.bias', [3], true],
    ]);
    expect(schema.model).toEqual({ size: plain.schema.size, hash: plain.schema.hash });
    expect(plain.schema.model).toEqual(schema.model);
    expect(schema.size).toBe(plain.schema.size + 12 + 3);
    expect(schema.hash).not.toBe(plain.schema.hash);
    expect(taught.readParameters().subarray(0, plain.schema.size)).toEqual(plain.readParameters());
  });

  test('they begin as seed and name say, the same in each process, and are written and read with the rest', () => {
    const [one, same, other] = [5, 5, 6].map((seed) => programOf(adapterTraining(sgd, MAP, seed))) as [
      StepProgram,
      StepProgram,
      StepProgram,
    ];
    const kernels = [one, same, other].map((program) => entryOf(program, program.readParameters(), 'adapter:hint.kernel'));
    expect(kernels[1]).toEqual(kernels[0]);
    expect(kernels[2]).not.toEqual(kernels[0]);
    expect([...entryOf(one, one.readParameters(), 'adapter:hint.bias')]).toEqual([0.25, 0.25, 0.25]);
    const arena = one.readParameters().map((value) => 2 * value);
    one.writeParameters(arena);
    expect(one.readParameters()).toEqual(arena);
  });

  test('they learn: the hint comes down, and both of them move', () => {
    const program = programOf(adapterTraining({ ...sgd, weightDecay: 0 }, MAP));
    const before = program.readParameters();
    const hints = Array.from({ length: 20 }, () => program.step(batchAt(1), KNOBS).terms.hint!);
    expect(hints.at(-1)).toBeLessThan(0.9 * hints[0]!);
    const after = program.readParameters();
    for (const name of ['adapter:hint.kernel', 'adapter:hint.bias', 'conv/kernel']) {
      expect(entryOf(program, after, name), name).not.toEqual(entryOf(program, before, name));
    }
  });

  test('their gradient is that of differences', () => {
    const training = adapterTraining({ ...sgd, weightDecay: 0 }, MAP);
    const program = programOf(training);
    const start = program.readParameters();
    const lossAt = (arena: Float32Array) => {
      program.writeParameters(arena);
      return program.step(batchAt(1), { ...KNOBS, rate: 0 }).lossSum / 8;
    };
    program.step(batchAt(1), { ...KNOBS, rate: 1 });
    const gradient = program.readParameters().map((value, i) => start[i]! - value);
    for (const { name, offset } of program.schema.entries.slice(-2)) {
      const moved = (by: number) => start.map((value, i) => (i === offset ? value + by : value));
      expect(gradient[offset]! / ((lossAt(moved(0.01)) - lossAt(moved(-0.01))) / 0.02), name).toBeCloseTo(1, 2);
    }
  });

  test('weight decay acts on those that say so, and a loss without weight leaves them otherwise alone', () => {
    const program = programOf(adapterTraining(sgd, MAP));
    const before = program.readParameters();
    program.step(batchAt(1), { rate: 0.1, loss: { 'labels.weight': 1, 'hint.weight': 0 } });
    const after = program.readParameters();
    const [kernel, bias] = ['adapter:hint.kernel', 'adapter:hint.bias'].map((name) => [
      entryOf(program, before, name),
      entryOf(program, after, name),
    ]);
    kernel![0]!.forEach((value, i) => void expect(kernel![1]![i]).toBeCloseTo(value * (1 - 0.1 * 0.5), 6));
    expect(bias![1]).toEqual(bias![0]);
  });

  test('cut in two, it is the whole step to the bit; slots come and go with the rest', () => {
    const optimizer = OPTIMIZERS['adam with weight decay on all']!;
    const [whole, cut] = [programOf(adapterTraining(optimizer, MAP)), programOf(adapterTraining(optimizer, MAP))];
    for (let t = 0; t < 3; t++) {
      const expected = whole.step(batchAt(t), KNOBS);
      cut.forward(batchAt(t).images, 8);
      expect(cut.backward(batchAt(t), KNOBS)).toEqual(expected);
      cut.writeSlots(cut.readSlots());
      cut.writeParameters(cut.readParameters());
    }
    expect(cut.readParameters()).toEqual(whole.readParameters());
    expect(cut.readSlots()).toEqual(whole.readSlots());
  });
});

describe('the model', () => {
  test('has its own part of the arena, and nothing of the adapters', async () => {
    await openEngine('cpu');
    const model = normModel(SHAPE.inputShape, SHAPE.classes, 1);
    const program = buildEagerStep({ model, training: adapterTraining(sgd, MAP), inputShape: SHAPE.inputShape });
    program.step(batchAt(1), KNOBS);
    const schema = arenaSchemaOf(model);
    expect(readArena(model, schema)).toEqual(program.readParameters().subarray(0, schema.size));
    program.dispose();
    model.dispose();
  });
});

describeTensorflow('adapters, traced', () => {
  beforeAll(() => openEngine('tensorflow'));

  test('whole and cut: the eager steps to the bit', () => {
    const training = adapterTraining(OPTIMIZERS['sgd with momentum']!, MAP);
    const build = () => normModel(SHAPE.inputShape, SHAPE.classes, 1);
    const { eager, traced, notices, dispose } = openPair({ build, stage: training.stage, training, inputShape: SHAPE.inputShape });
    for (let t = 0; t < 4; t++) {
      expect(traced.step(batchAt(t), KNOBS)).toEqual(eager.step(batchAt(t), KNOBS));
      expect(traced.forward(batchAt(t).images, 8)).toEqual(eager.forward(batchAt(t).images, 8));
      expect(traced.backward(batchAt(t), KNOBS)).toEqual(eager.backward(batchAt(t), KNOBS));
    }
    expect(notices.map(({ call, traced: isTraced }) => [call, isTraced])).toEqual([
      ['step', true],
      ['cut step', true],
    ]);
    expect(traced.readParameters()).toEqual(eager.readParameters());
    expect(traced.readSlots()).toEqual(eager.readSlots());
    dispose();
  });
});
