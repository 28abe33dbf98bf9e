/** A source whose samples must be prepared before a thread can read them. */

import { afterEach, expect, test } from 'vitest';
import { assembleBatch, type BatchView } from '../../../../src/data/batch.js';
import { BatchStream } from '../../../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../../../src/data/loader/loader.js';
import { mixedLabels } from '../../../../src/data/mix.js';
import { residentSource } from '../../../../src/data/resident-source.js';
import type { SampleSource } from '../../../../src/data/sample-source.js';
import { randomBytes } from '../../../support/data-files.js';
import { loaderProgram } from '../../../support/loader-program.js';

const SHAPE = { height: 9, width: 8, channels: 3 } as const;
const IMAGE = 9 * 8 * 3;
const COUNT = 40;
const VIEW: BatchView = { seed: 5, epoch: 1, augment: null, normalise: { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] } };

const loaders: Loader[] = [];
afterEach(async () => {
  await Promise.all(loaders.splice(0).map((loader) => loader.close()));
});

function open(threads: number): Loader {
  const loader = openLoader({ shape: SHAPE, rows: 32, threads, program: loaderProgram() });
  loaders.push(loader);
  return loader;
}

interface Asked {
  readonly samples: readonly number[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A split whose samples are prepared when the test says so. */
function lateSplit() {
  const images = {
    ...SHAPE,
    count: COUNT,
    classes: 10,
    pixels: randomBytes(COUNT * IMAGE, 3),
    labels: new Int32Array(COUNT).map((_, i) => i % 10),
  };
  const asked: Asked[] = [];
  const released: number[] = [];
  const split: SampleSource = {
    ...residentSource(images, { name: 'late', from: 0, to: COUNT }),
    prepare: (samples) =>
      new Promise((resolve, reject) => {
        asked.push({ samples: [...samples], resolve: () => resolve(() => void released.push(samples[0]!)), reject });
      }),
  };
  return { split, asked, released };
}

const requestOf = (split: SampleSource, i: number) => ({ split, view: VIEW, samples: Int32Array.of(i, i + 7) });

function expectBatch({ images, labels }: { images: Float32Array; labels: Int32Array }, split: SampleSource, i: number): void {
  const out = { images: new Float32Array(2 * IMAGE), labels: new Int32Array(2) };
  assembleBatch({ store: split.store, view: VIEW, samples: [i, i + 7], out });
  expect([...images]).toEqual([...out.images]);
  expect([...labels]).toEqual([...out.labels]);
}

test.each([1, 3])(
  'with %i threads batches come in order, each when its samples are prepared, which are lent until it is given back',
  async (threads) => {
    const { split, asked, released } = lateSplit();
    const stream = new BatchStream(
      open(threads),
      Array.from({ length: 20 }, (_, i) => requestOf(split, i)),
    );
    const ahead = asked.length;
    expect(ahead).toBe(16);
    expect(asked[3]!.samples).toEqual([3, 10]);
    // The second one first: it waits for the first.
    asked[1]!.resolve();
    const first = stream.next();
    asked[0]!.resolve();
    expectBatch(await first, split, 0);
    expect(released).toEqual([]);
    for (let i = 1; i < 20; i++) {
      const next = stream.next();
      for (const one of asked.slice(i)) one.resolve();
      expectBatch(await next, split, i);
    }
    stream.close();
    await new BatchStream(loaders[0]!, [{ ...requestOf(split, 0), split: { ...split, prepare: async () => () => {} } }]).next();
    expect(released).toEqual(Array.from({ length: 20 }, (_, i) => i));
  },
);

test('one whose samples cannot be had fails alone', async () => {
  const { split, asked } = lateSplit();
  const [bad, good] = open(1).request([requestOf(split, 0), requestOf(split, 1)]);
  const failing = expect(bad!.ready()).rejects.toThrow('no answer');
  asked[1]!.resolve();
  asked[0]!.reject(new Error('no answer'));
  await failing;
  await good!.ready();
  expectBatch(loaders[0]!.arraysOf([good!]), split, 1);
  await expect(bad!.ready()).rejects.toThrow('no answer');
});

test('one that is given back before holds up no other, and its samples are released', async () => {
  const { split, asked, released } = lateSplit();
  const [dropped, next] = open(1).request([requestOf(split, 0), requestOf(split, 1)]);
  dropped!.giveBack();
  asked[1]!.resolve();
  await next!.ready();
  expect(released).toEqual([]);
  asked[0]!.resolve();
  await Promise.resolve();
  await Promise.resolve();
  expect(released).toEqual([0]);
});

test('the second samples of mixed images are prepared, too', () => {
  const { split, asked } = lateSplit();
  const view: BatchView = { ...VIEW, augment: { cropPadding: 0, flip: false, mixUp: 1 } };
  const samples = Int32Array.of(0, 7);
  open(1).request([{ split, view, samples }]);
  const { second } = mixedLabels(split.store, view, samples)!;
  expect(asked[0]!.samples.slice(0, 2)).toEqual([0, 7]);
  expect(asked[0]!.samples.slice(2).map(split.label)).toEqual([...second]);
});
