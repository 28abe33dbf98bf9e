/**
 * 1,000 steps on photographs (Fashion-MNIST: 8,000 to train on, 2,000 to test), op by op, as graphs, and as graphs in bf16,
 * oneDNN on as in earnest: the same accuracy, within what another seed makes of it. Prints the figures.
 */

import { beforeAll, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { assembleBatch } from '../../src/data/batch.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { MODELS } from '../../src/nn/catalogue.js';
import type { ModelName } from '../../src/nn/names.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildStep } from '../../src/programs/choose-step.js';
import type { StepBatch, StepProgram } from '../../src/step/step-program.js';
import { bfloat16Support } from '../../src/system/bfloat16-support.js';
import { describeProcessor } from '../../src/system/processor.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { knobsOf, trainingOf, trainStage } from '../support/training.js';

const NORMALISE = { mean: [0.286], std: [0.353] };
const INPUT_SHAPE = [28, 28, 1] as const;
const CLASSES = 10;
const STEPS = 1000;
const SIZE = 64;
const RATE = 3e-3;
const SPLITS = { train: { part: 'test', from: 0, to: 8000 }, test: { part: 'test', from: 8000, to: 10_000 } } as const;

type Photographs = Readonly<Record<keyof typeof SPLITS, SampleSource>>;

async function photographs(): Promise<Photographs> {
  const recipe = { format: 'idx', path: 'builtin:fashion-mnist', labels: 'fine', normalise: NORMALISE, splits: SPLITS } as const;
  return { train: await loadSplit(recipe, 'train'), test: await loadSplit(recipe, 'test') };
}

function batchOf(split: SampleSource, samples: readonly number[]): StepBatch {
  const out = { images: new Float32Array(samples.length * 784), labels: new Int32Array(samples.length) };
  assembleBatch({ store: split.store, view: { seed: 1, epoch: 0, augment: null, normalise: NORMALISE }, samples, out });
  return { images: out.images, labels: { classes: out.labels, mixed: null }, size: samples.length, other: [] };
}

/** The share of the test's photographs that are put into their class. */
function accuracyOf(program: StepProgram, split: SampleSource): number {
  let correct = 0;
  for (let from = 0; from < split.count; from += 500) {
    const { images, labels } = batchOf(
      split,
      Array.from({ length: 500 }, (_, i) => from + i),
    );
    correct += program.evaluate(images, labels.classes, 500).correct;
  }
  return correct / split.count;
}

interface Run {
  readonly accuracy: number;
  readonly milliseconds: number;
}

/** How a run is carried out: what the recipe wants, and what must have become of it. */
const WAYS = {
  'op by op': { trace: 'off', precision: 'fp32' },
  'as graphs': { trace: 'auto', precision: 'fp32' },
  'as graphs in bf16': { trace: 'auto', precision: 'bf16' },
} as const;
type Way = keyof typeof WAYS;

interface Training {
  readonly name: ModelName;
  readonly photographs: Photographs;
  readonly seed: number;
  readonly way: Way;
}

function train({ name, photographs: { train: split, test: held }, seed, way }: Training): Run {
  const wanted = WAYS[way];
  const model = MODELS[name].build({ inputShape: INPUT_SHAPE, classes: CLASSES, seed, options: {} }, MODELS[name].options.parse({}));
  const optimizer = { name: 'adam', rate: RATE, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decayAll: false } as const;
  const notices: string[] = [];
  const program = buildStep({
    engine: 'tensorflow',
    wanted,
    model,
    training: trainingOf(trainStage({ optimizer }), CLASSES),
    inputShape: INPUT_SHAPE,
    onNotice: ({ traced, precision }) => notices.push(`${traced ? 'auto' : 'off'} ${precision}`),
  });
  const random = new Prng(seed, 1);
  const start = performance.now();
  for (let t = 0; t < STEPS; t++) {
    const samples = Array.from({ length: SIZE }, () => random.below(split.count));
    const rate = (RATE * (1 + Math.cos((Math.PI * t) / STEPS))) / 2;
    expect(program.step(batchOf(split, samples), knobsOf({ rate })).finite).toBe(true);
  }
  const milliseconds = (performance.now() - start) / STEPS;
  const accuracy = accuracyOf(program, held);
  expect(notices).toEqual([`${wanted.trace} ${wanted.precision}`]);
  program.dispose();
  disposeModel(model);
  return { accuracy, milliseconds };
}

// Read by libtensorflow when it is loaded, which is in this file's own process.
Object.assign(process.env, bfloat16Support(describeProcessor()).environment);

describeTensorflow('1,000 steps on photographs', () => {
  let photos: Photographs;
  beforeAll(async () => {
    await openEngine('tensorflow');
    photos = await photographs();
  });

  test.each<[ModelName, readonly number[], readonly Way[]]>([
    ['cnn-teacher', [1, 2, 3], ['as graphs', 'as graphs in bf16']],
    ['resnet8', [1], ['as graphs']],
  ])('%s', { timeout: 3_600_000 }, (name, seeds, ways) => {
    const accuracies = (way: Way) =>
      seeds.map((seed) => {
        const { accuracy, milliseconds } = train({ name, photographs: photos, seed, way });
        process.stdout.write(`${name}, seed ${seed}, ${way}: ${(100 * accuracy).toFixed(1)} % in ${milliseconds.toFixed(1)} ms a step\n`);
        return accuracy;
      });
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const expected = accuracies('op by op');
    expect(mean(expected)).toBeGreaterThan(0.83);
    for (const way of ways) {
      const found = accuracies(way);
      found.forEach((accuracy, i) => void expect(Math.abs(accuracy - expected[i]!), `${way}, seed ${seeds[i]}`).toBeLessThan(0.02));
      expect(Math.abs(mean(found) - mean(expected)), way).toBeLessThan(0.012);
    }
  });
});
