import { beforeAll, describe, expect, test } from 'vitest';
import { weightedAverage } from '../../src/averaging/weighted-average.js';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { LinearReference } from '../support/linear-reference.js';
import { distilStage, knobsOf, linearModel, noiseBatch, partOf, trainingOf, trainStage } from '../support/training.js';

const SHAPE = { inputShape: [3, 2, 2], classes: 4 } as const;
const SIZES = [8, 8, 8, 5];

const momentum: OptimizerRecipe = { name: 'sgd', rate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0, decayAll: false };
const adam: OptimizerRecipe = { name: 'adam', rate: 0.02, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false };

beforeAll(async () => {
  await openEngine('cpu');
});

describe('20 steps of a linear model agree with float64', () => {
  test.each([
    ['train, SGD', false, { ...momentum, momentum: 0 }],
    ['train, momentum', false, momentum],
    ['train, Nesterov, weight decay on the kernel only', false, { ...momentum, nesterov: true, weightDecay: 0.05 }],
    ['train, weight decay on all', false, { ...momentum, weightDecay: 0.05, decayAll: true }],
    ['train, Adam, weight decay', false, { ...adam, weightDecay: 0.05 }],
    ['distil, momentum', true, { ...momentum, rate: 0.02 }],
    ['distil, Adam', true, adam],
  ] as [string, boolean, OptimizerRecipe][])('%s', (_, taught, optimizer) => {
    const model = linearModel(SHAPE.inputShape, SHAPE.classes);
    const stage = taught ? distilStage({ optimizer }) : trainStage({ optimizer });
    const program = buildEagerStep({ model, training: trainingOf(stage, SHAPE.classes), inputShape: SHAPE.inputShape });
    const reference = new LinearReference(program.readParameters(), SHAPE.classes, optimizer);
    for (let t = 0; t < 20; t++) {
      // The last batch of an epoch is smaller; rate, temperature and alpha change on the way.
      const batch = noiseBatch(t, { ...SHAPE, size: SIZES[t % 4] as number, taught });
      const knobs = knobsOf({ rate: optimizer.rate * (t < 10 ? 1 : 0.5), temperature: 4 - t / 10, alpha: taught ? 0.9 - t / 50 : 0 });
      const { lossSum, count, finite } = program.step(batch, knobs);
      const expected = reference.step(batch, knobs);
      expect(Math.abs(lossSum - expected), `loss of step ${t + 1}`).toBeLessThan(2e-5 * Math.max(1, expected));
      expect({ count, finite }).toEqual({ count: batch.size, finite: true });
    }
    program.readParameters().forEach((value, i) => {
      expect(Math.abs(value - reference.parameters[i]!), `parameter ${i}`).toBeLessThan(2e-5);
    });
    program.dispose();
    model.dispose();
  });
});

test('two students that average after every step are one student with the union of their batches', () => {
  const stage = trainStage({ optimizer: momentum });
  const models = Array.from({ length: 3 }, () => linearModel(SHAPE.inputShape, SHAPE.classes));
  const programs = models.map((model) =>
    buildEagerStep({ model, training: trainingOf(stage, SHAPE.classes), inputShape: SHAPE.inputShape }),
  );
  const [one, two, whole] = programs as [(typeof programs)[0], (typeof programs)[0], (typeof programs)[0]];
  const start = whole.readParameters();
  for (const program of programs) program.writeParameters(start);
  const knobs = knobsOf({ rate: 0.1 });
  for (let t = 0; t < 30; t++) {
    const batch = noiseBatch(t, { ...SHAPE, size: 8 });
    whole.step(batch, knobs);
    one.step(partOf(batch, 0, 4), knobs);
    two.step(partOf(batch, 4, 8), knobs);
    const average = weightedAverage([one, two].map((program) => ({ samples: 4, arena: program.readParameters() })));
    one.writeParameters(average);
    two.writeParameters(average);
  }
  expect(one.readParameters()).toEqual(two.readParameters());
  const expected = whole.readParameters();
  one.readParameters().forEach((value, i) => {
    expect(Math.abs(value - expected[i]!), `parameter ${i}`).toBeLessThan(1e-5);
  });
  for (const made of [...programs, ...models]) made.dispose();
});
