/** Steps on the loader's own memory: no engine may hold on to a batch that was given back. */

import { afterAll, expect, test } from 'vitest';
import type { EngineName } from '../../src/config/schema.js';
import { assembleBatch, type BatchArrays } from '../../src/data/batch.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../src/data/loader/loader.js';
import { residentSource } from '../../src/data/resident-source.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { buildStep, type StepNotice } from '../../src/programs/choose-step.js';
import { randomBytes } from '../support/data-files.js';
import { loaderProgram } from '../support/loader-program.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { knobsOf, trainingOf, trainStage } from '../support/training.js';

const SHAPE = { height: 8, width: 8, channels: 3 } as const;
const INPUT = { inputShape: [8, 8, 3], classes: 4 } as const;
const COUNT = 40;
const BATCH = 8;
const STEPS = 12;
const split = residentSource(
  {
    ...SHAPE,
    count: COUNT,
    classes: 4,
    pixels: randomBytes(COUNT * 192, 5),
    labels: Int32Array.from({ length: COUNT }, (_, i) => i % 4),
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

interface Kind {
  readonly engine: EngineName;
  readonly trace: 'auto' | 'off';
}

interface Outcome {
  /** The logits before each step, and the parameters after the last. */
  readonly numbers: readonly number[];
  readonly isTraced: boolean;
}

/** The steps on batches from `next`. */
async function trained({ engine, trace }: Kind, next: (step: number) => Promise<BatchArrays>): Promise<Outcome> {
  const model = await buildModel({ name: 'cnn-student', options: {} }, { ...INPUT, seed: 3 });
  const notices: StepNotice[] = [];
  const wanted = { trace, precision: 'fp32' } as const;
  const onNotice = (notice: StepNotice) => notices.push(notice);
  const program = buildStep({
    engine,
    wanted,
    onNotice,
    model,
    training: trainingOf(trainStage(), INPUT.classes),
    inputShape: INPUT.inputShape,
  });
  const numbers: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const { images, labels } = await next(step);
    numbers.push(...program.predict(images, BATCH));
    program.step({ size: BATCH, images, labels: { classes: labels, mixed: null }, other: [] }, knobsOf({ rate: 0.01 }));
    // What still reads it from now on sees this, or a later batch.
    images.fill(Number.NaN);
    labels.fill(0);
  }
  numbers.push(...program.readParameters());
  program.dispose();
  model.dispose();
  return { numbers, isTraced: notices.some(({ traced }) => traced) };
}

async function stepsOnTheRing(kind: Kind): Promise<Outcome> {
  await openEngine(kind.engine);
  const fresh = await trained(kind, async (step) => {
    const out = { images: new Float32Array(BATCH * 192), labels: new Int32Array(BATCH) };
    const { split: source, ...request } = requests[step]!;
    assembleBatch({ store: source.store, ...request, out });
    return out;
  });
  const loader = openLoader({ shape: SHAPE, rows: 2 * BATCH, threads: 1, program: loaderProgram() });
  loaders.push(loader);
  const stream = new BatchStream(loader, requests);
  const loaded = await trained(kind, () => stream.next());
  const largest = fresh.numbers.reduce((max, value, i) => Math.max(max, Math.abs(value - loaded.numbers[i]!)), 0);
  expect(loaded.numbers.every(Number.isFinite)).toBe(true);
  expect(loaded.numbers.length).toBe(fresh.numbers.length);
  expect(largest).toBeLessThan(1e-5); // the order of sums may differ from one time to the next
  return loaded;
}

test.each(['wasm', 'cpu'] as const)('%s trains on the ring as on arrays of its own', async (engine) => {
  expect((await stepsOnTheRing({ engine, trace: 'off' })).isTraced).toBe(false);
});

describeTensorflow('tensorflow', () => {
  test.each(['auto', 'off'] as const)('trains on the ring as on arrays of its own, trace %s', async (trace) => {
    const { isTraced } = await stepsOnTheRing({ engine: 'tensorflow', trace });
    expect(isTraced).toBe(trace === 'auto');
  });
});
