/** Models and losses that the repository does not have: traced as eager, up to the rounding of constants that TensorFlow puts together. */

import { beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openEngine } from '../../src/engines/catalogue.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { LABEL_LOSSES, TEACHER_LOSSES, weightedByKeptWeights } from '../support/foreign-loss.js';
import { FOREIGN_MODELS } from '../support/foreign-model.js';
import { withLabelLoss, withTeacherLoss } from '../support/other-loss.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import {
  CLASSES,
  callAt,
  catalogueModel,
  expectOneCall,
  INPUT_SHAPE,
  OPTIMIZERS,
  openPair,
  worstTensorError,
} from '../support/trace-parity.js';
import { distilStage, trainingOf, trainStage } from '../support/training.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

const SIZE = 4;
const momentum = { optimizer: OPTIMIZERS['sgd with momentum']! };
const adam = { optimizer: OPTIMIZERS.adam! };

/** The same at every run: the initialisers of stock layers draw without a seed. */
function parametersOf({ schema, readParameters }: StepProgram): Float32Array {
  const random = new Prng(1, 9);
  const centre = { 'norm-scale': 1, 'norm-variance': 2 } as Readonly<Record<string, number>>;
  const arena = readParameters();
  for (const { kind, offset, size } of schema.entries) {
    const spread = kind === 'kernel' || kind === 'other' ? 0.2 : 0.05;
    for (let i = 0; i < size; i++) arena[offset + i] = (centre[kind] ?? 0) + spread * random.normal();
  }
  return arena;
}

/** Both programs, from the same weights, take the same steps; each of the traced program's is one call. */
function expectTraced(build: Parameters<typeof openPair>[0]['build'], training: StepTraining): void {
  const { stage } = training;
  const { eager, traced, notices, dispose } = openPair({ build, stage, training });
  const start = parametersOf(eager);
  for (const program of [eager, traced]) program.writeParameters(start);
  const taught = stage.teacher !== undefined;
  // Adam makes a whole step of a gradient that is all rounding, on one processor more than on another.
  const digits = stage.optimizer.name === 'adam' ? 4 : 5;
  for (let t = 0; t < 5; t++) {
    const [batch, knobs] = callAt(t, { size: SIZE, taught });
    const expected = eager.step(batch, knobs);
    const found = t === 0 ? traced.step(batch, knobs) : expectOneCall(traced, [batch, knobs]);
    expect(found.lossSum / expected.lossSum, `loss of step ${t + 1}`).toBeCloseTo(1, digits);
    expect(found.correct).toBe(expected.correct);
  }
  expect(notices).toEqual([{ call: 'step', size: SIZE, traced: true, precision: 'fp32' }]);
  expect(worstTensorError(eager, eager.readParameters(), traced.readParameters())).toBeLessThan(10 ** (1 - digits));
  const [{ images, labels }] = callAt(99, { size: SIZE, taught: false });
  const [ofTraced, ofEager] = [traced, eager].map((program) => program.evaluate(images, labels.classes, SIZE).lossSum);
  expect(ofTraced! / ofEager!).toBeCloseTo(1, digits);
  dispose();
}

describeTensorflow('foreign models and losses', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each(Object.entries(FOREIGN_MODELS))('the model %s', (_, build) => {
    expectTraced(() => build({ inputShape: INPUT_SHAPE, classes: CLASSES }), trainingOf(distilStage(momentum), CLASSES));
  });

  test('a loss with a tensor that was made before any step', () => {
    const { loss, dispose } = weightedByKeptWeights();
    expectTraced(() => catalogueModel('cnn'), withLabelLoss(trainStage(adam), CLASSES, loss));
    dispose();
  });

  test.each(Object.entries(LABEL_LOSSES))('the loss %s', (_, loss) => {
    expectTraced(() => catalogueModel('cnn'), withLabelLoss(trainStage(adam), CLASSES, loss));
  });

  test.each(Object.entries(TEACHER_LOSSES))('the loss %s', (_, loss) => {
    expectTraced(() => catalogueModel('cnn'), withTeacherLoss(distilStage(momentum), CLASSES, loss));
  });

  test('a foreign model and a foreign loss, with Adam', () => {
    const training = withTeacherLoss(distilStage(adam), CLASSES, TEACHER_LOSSES['reverse divergence']!);
    expectTraced(() => FOREIGN_MODELS.branches!({ inputShape: INPUT_SHAPE, classes: CLASSES }), training);
  });
});
