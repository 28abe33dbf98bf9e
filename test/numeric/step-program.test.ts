import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { OptimizerRecipe, PeerRecipe } from '../../src/config/schema.js';
import { buildModel } from '../../src/nn/build.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import { describeEachEngine } from '../support/each-engine.js';
import { crossEntropyOf } from '../support/loss-reference.js';
import { distilStage, knobsOf, linearModel, noiseBatch, normModel, trainingOf, trainStage } from '../support/training.js';

const SHAPE = { inputShape: [4, 4, 3], classes: 4 } as const;
const PLAIN = knobsOf({ rate: 0.05 });
const TAUGHT = knobsOf({ rate: 0.05, temperature: 4, alpha: 0.9 });

const momentum: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 1e-3, decayAll: false };
const adam: OptimizerRecipe = { name: 'adam', rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false };

async function programOf(
  stage: PeerRecipe | null,
  name = 'norm',
): Promise<{ program: StepProgram; model: Parameters<typeof buildEagerStep>[0]['model'] }> {
  const { inputShape, classes } = SHAPE;
  const model = name === 'norm' ? normModel(inputShape, classes, 3) : await buildModel({ name, options: {} }, { ...SHAPE, seed: 3 });
  return { program: buildEagerStep({ model, training: stage && trainingOf(stage, SHAPE.classes), inputShape: SHAPE.inputShape }), model };
}

function steps(program: StepProgram, from: number, to: number, taught = false): void {
  for (let t = from; t < to; t++) program.step(noiseBatch(t, { ...SHAPE, size: t % 2 === 1 ? 2 : 4, taught }), taught ? TAUGHT : PLAIN);
}

describeEachEngine(() => {
  memory();
  continuation();
  batchNorm();
  results();
  brokenInvariants();
});

function memory(): void {
  describe('memory', () => {
    test('50 steps, with predictions, evaluations, reads and writes between them, leave no tensor behind', async () => {
      const before = tf.memory().numTensors;
      const { program, model } = await programOf(distilStage({ optimizer: adam }), 'cnn-student');
      const held = tf.memory().numTensors;
      for (let t = 0; t < 50; t++) {
        steps(program, t, t + 1, true);
        const { images, labels, size } = noiseBatch(t, { ...SHAPE, size: 3 });
        program.predict(images, size);
        program.evaluate(images, labels.classes, size);
        program.writeParameters(program.readParameters());
        program.writeSlots(program.readSlots());
        expect(tf.memory().numTensors, `after step ${t + 1}`).toBe(held);
      }
      program.dispose();
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
    });

    test('the same with BatchNorm', async () => {
      const { program, model } = await programOf(trainStage({ optimizer: momentum }));
      const held = tf.memory().numTensors;
      steps(program, 0, 5);
      expect(tf.memory().numTensors).toBe(held);
      program.dispose();
      model.dispose();
    });

    test('the batch is not changed, and may be overwritten after the step', async () => {
      const run = async (overwrite: boolean) => {
        const { program, model } = await programOf(distilStage({ optimizer: momentum }));
        for (let t = 0; t < 3; t++) {
          const batch = noiseBatch(t, { ...SHAPE, size: 4, taught: true });
          program.step(batch, TAUGHT);
          expect(batch).toEqual(noiseBatch(t, { ...SHAPE, size: 4, taught: true }));
          if (overwrite) for (const array of [batch.images, batch.labels.classes, batch.other[0]!.data]) array.fill(1);
        }
        const parameters = program.readParameters();
        program.dispose();
        model.dispose();
        return parameters;
      };
      expect(await run(true)).toEqual(await run(false));
    });
  });
}

function continuation(): void {
  describe('continuation', () => {
    test.each([
      ['SGD with momentum', momentum],
      ['Adam', adam],
    ] as const)('%s: parameters and slots carried to a fresh program go on with the same bits', async (_, optimizer) => {
      const stage = trainStage({ optimizer });
      const { program: one, model } = await programOf(stage);
      steps(one, 0, 2);
      const [parameters, slots] = [one.readParameters(), one.readSlots()];
      steps(one, 2, 4);

      const { program: other, model: otherModel } = await programOf(stage);
      other.writeParameters(parameters);
      other.writeSlots(slots);
      expect(other.slotCount).toBe(slots.length);
      steps(other, 2, 4);
      expect(other.readParameters()).toEqual(one.readParameters());
      expect(other.readSlots()).toEqual(one.readSlots());

      // Without the slots it is another continuation: they do matter.
      other.writeParameters(parameters);
      other.resetSlots();
      steps(other, 2, 4);
      expect(other.readParameters()).not.toEqual(one.readParameters());
      for (const made of [one, other, model, otherModel]) made.dispose();
    });

    test('the slots are those of the trainable parameters', async () => {
      const { program, model } = await programOf(trainStage({ optimizer: momentum }));
      const trainable = program.schema.entries.filter((entry) => entry.trainable);
      expect(trainable.length).toBe(program.schema.entries.length - 2);
      expect(program.slotCount).toBe(trainable.reduce((sum, { size }) => sum + size, 0));
      program.dispose();
      model.dispose();
    });
  });
}

function batchNorm(): void {
  describe('BatchNorm', () => {
    test("a step moves the running statistics by a tenth towards the batch's mean and unbiased variance", async () => {
      const { program, model } = await programOf(trainStage({ optimizer: momentum }));
      const entry = (name: string) => {
        const found = program.schema.entries.find((candidate) => candidate.name === name);
        return [...program.readParameters().subarray(found?.offset, (found?.offset ?? 0) + (found?.size ?? 0))];
      };
      const batch = noiseBatch(1, { ...SHAPE, size: 4 });
      const convolved = tf.tidy(() => {
        const kernel = tf.tensor4d(entry('conv/kernel'), [3, 3, 3, 4]);
        const y = tf.conv2d(tf.tensor4d(batch.images, [4, 4, 4, 3]), kernel, 1, 'same');
        return tf.reshape(y, [-1, 4]).arraySync() as number[][];
      });
      program.step(batch, PLAIN);
      const mean = entry('norm/moving_mean');
      const variance = entry('norm/moving_variance');
      for (let c = 0; c < 4; c++) {
        const values = convolved.map((row) => row[c] as number);
        const m = values.reduce((a, b) => a + b, 0) / values.length;
        const v = values.reduce((sum, x) => sum + (x - m) ** 2, 0) / (values.length - 1);
        expect(mean[c]).toBeCloseTo(0.1 * m, 6);
        expect(variance[c]).toBeCloseTo(0.9 + 0.1 * v, 5);
      }
      program.dispose();
      model.dispose();
    });
  });
}

function results(): void {
  describe('results', () => {
    test('predict is the model in inference mode; evaluate counts and adds up what predict says', async () => {
      const { program, model } = await programOf(null);
      const { images, labels, size } = noiseBatch(5, { ...SHAPE, size: 7 });
      const { classes } = labels;
      const logits = program.predict(images, size);
      const direct = tf.tidy(() => (model.predict(tf.tensor4d(images.slice(), [7, 4, 4, 3])) as tf.Tensor).dataSync().slice());
      // The program's norms are folded, the model's are not.
      expect(logits).toHaveLength(direct.length);
      direct.forEach((logit, i) => void expect(logits[i]).toBeCloseTo(logit, 5));
      const rows = Array.from({ length: 7 }, (_, b) => [...logits.subarray(4 * b, 4 * b + 4)]);
      const result = program.evaluate(images, classes, size);
      expect(result.count).toBe(7);
      expect(result.correct).toBe(rows.filter((row, b) => row.indexOf(Math.max(...row)) === classes[b]).length);
      expect(result.lossSum).toBeCloseTo(
        rows.reduce((sum, row, b) => sum + crossEntropyOf(row, classes[b] as number), 0),
        9,
      );
      program.dispose();
      model.dispose();
    });

    test('correct counts the hits before the update', () => {
      const model = linearModel([1, 1, 2], 2);
      const program = buildEagerStep({ model, training: trainingOf(trainStage({ optimizer: momentum }), 2), inputShape: [1, 1, 2] });
      program.writeParameters(Float32Array.of(1, 0, 0, 1, 0, 0));
      const batch = {
        size: 3,
        images: Float32Array.of(2, 1, 1, 2, 5, 0),
        labels: { classes: Int32Array.of(0, 1, 1), mixed: null },
        other: [],
      };
      expect(program.step(batch, { ...PLAIN, rate: 100 }).correct).toBe(2);
      program.dispose();
      model.dispose();
    });

    test.each([Number.NaN, Number.POSITIVE_INFINITY])('a pixel of %f: not finite', (pixel) => {
      const model = linearModel([1, 1, 2], 2);
      const program = buildEagerStep({ model, training: trainingOf(trainStage(), 2), inputShape: [1, 1, 2] });
      const batch = { size: 1, images: Float32Array.of(pixel, 1), labels: { classes: Int32Array.of(0), mixed: null }, other: [] };
      expect(program.step(batch, PLAIN)).toMatchObject({ finite: false, count: 1 });
      program.dispose();
      model.dispose();
    });
  });
}

function brokenInvariants(): void {
  describe('broken invariants', () => {
    test.each([
      ['a step without a stage', null, (p: StepProgram) => p.step(noiseBatch(1, { ...SHAPE, size: 2 }), PLAIN)],
      ['slots without a stage', null, (p: StepProgram) => p.readSlots()],
      ['distillation without targets', distilStage(), (p: StepProgram) => p.step(noiseBatch(1, { ...SHAPE, size: 2 }), PLAIN)],
      ['targets where nobody teaches', trainStage(), (p: StepProgram) => p.step(noiseBatch(1, { ...SHAPE, size: 2, taught: true }), PLAIN)],
      [
        'fewer labels than samples',
        trainStage(),
        (p: StepProgram) => p.step({ ...noiseBatch(1, { ...SHAPE, size: 2 }), labels: { classes: Int32Array.of(1), mixed: null } }, PLAIN),
      ],
      ['fewer pixels than samples', trainStage(), (p: StepProgram) => p.predict(new Float32Array(4 * 4 * 3), 2)],
      ['an arena that is too short', null, (p: StepProgram) => p.writeParameters(new Float32Array(5))],
      ['slots that are too long', trainStage(), (p: StepProgram) => p.writeSlots(new Float32Array(p.slotCount + 1))],
    ])('%s', async (_, stage, call) => {
      const { program, model } = await programOf(stage, 'cnn-student');
      expect(() => call(program)).toThrow();
      program.dispose();
      model.dispose();
    });
  });
}
