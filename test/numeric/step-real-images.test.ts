import { beforeAll, expect, test } from 'vitest';
import { assembleBatch } from '../../src/data/batch.js';
import { loadSplit } from '../../src/data/dataset.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepBatch } from '../../src/step/step-program.js';
import { LOGITS_SPEC } from '../../src/tensor/knowledge.js';
import { distilStage, knobsOf, trainingOf, trainStage } from '../support/training.js';

const NORMALISE = { mean: [0.286], std: [0.353] };
const SHAPE = { inputShape: [28, 28, 1], classes: 10, seed: 1 } as const;
const SIZE = 32;

beforeAll(async () => {
  await openEngine('wasm');
});

async function photographs(): Promise<(from: number) => { images: Float32Array; labels: Int32Array }> {
  const splits = { some: { part: 'test', from: 0, to: 320 } } as const;
  const split = await loadSplit({ format: 'idx', path: 'builtin:fashion-mnist', labels: 'fine', normalise: NORMALISE, splits }, 'some');
  return (from) => {
    const out = { images: new Float32Array(SIZE * 784), labels: new Int32Array(SIZE) };
    const samples = Array.from({ length: SIZE }, (_, i) => (from + i) % split.count);
    assembleBatch({ store: split.store, view: { seed: 1, epoch: 0, augment: null, normalise: NORMALISE }, samples, out });
    return out;
  };
}

test('on real photographs the training loss falls and the hits rise; what was learned can be taught on', async () => {
  const batchAt = await photographs();
  const optimizer = { name: 'adam', rate: 3e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false } as const;
  const rate = 3e-3;
  const knobs = knobsOf({ rate, temperature: 4, alpha: 0.9 });
  const stepAt = (t: number): StepBatch => {
    const { images, labels } = batchAt(SIZE * t);
    return { size: SIZE, images, labels: { classes: labels, mixed: null }, other: [] };
  };
  const teacherModel = await buildModel({ name: 'cnn-teacher', options: {} }, SHAPE);
  const teacher = buildEagerStep({
    model: teacherModel,
    training: trainingOf(trainStage({ optimizer }), SHAPE.classes),
    inputShape: SHAPE.inputShape,
  });
  const results = Array.from({ length: 60 }, (_, t) => teacher.step(stepAt(t), knobsOf({ rate })));
  const mean = (list: typeof results, key: 'lossSum' | 'correct') => list.reduce((sum, r) => sum + r[key] / r.count, 0) / list.length;
  expect(mean(results.slice(0, 5), 'lossSum')).toBeGreaterThan(1.5);
  expect(mean(results.slice(-10), 'lossSum')).toBeLessThan(0.8);
  expect(mean(results.slice(-10), 'correct')).toBeGreaterThan(0.7);

  const studentModel = await buildModel({ name: 'cnn-student', options: {} }, SHAPE);
  const student = buildEagerStep({
    model: studentModel,
    training: trainingOf(distilStage({ optimizer }), SHAPE.classes),
    inputShape: SHAPE.inputShape,
  });
  const untaught = student.evaluate(batchAt(0).images, batchAt(0).labels, SIZE).correct;
  const losses = Array.from({ length: 60 }, (_, t) => {
    const batch = stepAt(t);
    return student.step({ ...batch, other: teacher.answer(batch.images, SIZE, [LOGITS_SPEC]) }, knobs).lossSum;
  });
  expect(losses.at(-1)).toBeLessThan(0.6 * (losses[0] as number));
  expect(student.evaluate(batchAt(0).images, batchAt(0).labels, SIZE).correct).toBeGreaterThan(untaught + 5);
  for (const made of [teacher, student, teacherModel, studentModel]) made.dispose();
});
