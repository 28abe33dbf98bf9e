/** Steps on the loader's own memory: no engine may hold on to a batch that was given back. */

import { afterAll, expect, test } from 'vitest';
import type { EngineName } from '../../src/config/schema.js';
import { assembleBatch } from '../../src/data/batch.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../src/data/loader/loader.js';
import { splitOf } from '../../src/data/split.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import type { StepBatch, StepProgram } from '../../src/engines/step-program.js';
import { buildModel } from '../../src/nn/build.js';
import { randomBytes } from '../support/data-files.js';
import { loaderProgram } from '../support/loader-program.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { trainStage } from '../support/training.js';

const SHAPE = { height: 8, width: 8, channels: 3 } as const;
const INPUT = { inputShape: [8, 8, 3], classes: 4 } as const;
const COUNT = 40;
const BATCH = 8;
const STEPS = 12;
const split = splitOf(
  {
    ...SHAPE,
    name: 'train',
    count: COUNT,
    classes: 4,
    pixels: randomBytes(COUNT * 192, 5),
    labels: Uint8Array.from({ length: COUNT }, (_, i) => i % 4),
    files: [],
  },
  { name: 'train', from: 0, to: COUNT },
);
const requests = Array.from({ length: STEPS }, (_, step) => ({
  split,
  view: {
    seed: 1,
    epoch: step,
    augment: { cropPadding: 1, flip: true },
    normalise: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
  },
  samples: Int32Array.from({ length: BATCH }, (_, i) => (step * 3 + i * 5) % COUNT),
}));

const loaders: Loader[] = [];
afterAll(() => Promise.all(loaders.map((loader) => loader.close())));

async function trained(train: (program: StepProgram) => Promise<void>): Promise<Float32Array> {
  const model = await buildModel({ name: 'cnn-student', options: {} }, { ...INPUT, seed: 3 });
  const program = buildEagerStep({ model, stage: trainStage(), inputShape: INPUT.inputShape });
  await train(program);
  const parameters = program.readParameters();
  program.dispose();
  model.dispose();
  return parameters;
}

function step(program: StepProgram, { images, labels }: Pick<StepBatch, 'images' | 'labels'>): void {
  program.step({ size: BATCH, images, labels, targets: null }, { rate: 0.01, temperature: 1, alpha: 0 });
}

async function stepsOnTheRing(engine: EngineName): Promise<void> {
  await openEngine(engine);
  const fresh = await trained(async (program) => {
    for (const request of requests) {
      const out = { images: new Float32Array(BATCH * 192), labels: new Int32Array(BATCH) };
      assembleBatch({ ...request, out });
      step(program, out);
    }
  });
  const loader = openLoader({ shape: SHAPE, rows: 2 * BATCH, threads: 1, program: loaderProgram() });
  loaders.push(loader);
  const stream = new BatchStream(loader, requests);
  const loaded = await trained(async (program) => {
    for (let i = 0; i < STEPS; i++) {
      const batch = await stream.next();
      step(program, batch);
      // What reads it from now on sees this, or the next batch.
      batch.images.fill(Number.NaN);
    }
  });
  const largest = fresh.reduce((max, value, i) => Math.max(max, Math.abs(value - loaded[i]!)), 0);
  expect(largest).toBeLessThan(1e-5); // the order of sums may differ from step to step
  expect(loaded.every(Number.isFinite)).toBe(true);
}

test('wasm trains on the ring as on arrays of its own', () => stepsOnTheRing('wasm'));

test('cpu trains on the ring as on arrays of its own', () => stepsOnTheRing('cpu'));

describeTensorflow('tensorflow', () => {
  test('trains on the ring as on arrays of its own', () => stepsOnTheRing('tensorflow'));
});
