/** The loader with real threads, against assembleBatch on this one. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { InvariantError } from '../../../../src/base/assert.js';
import { assembleBatch, type BatchArrays, type BatchView } from '../../../../src/data/batch.js';
import { BATCHES_AHEAD, BatchStream } from '../../../../src/data/loader/batch-stream.js';
import type { BatchRequest } from '../../../../src/data/loader/job-queue.js';
import { type Loader, type LoaderOptions, type Loading, openLoader } from '../../../../src/data/loader/loader.js';
import { residentSource } from '../../../../src/data/resident-source.js';
import type { SampleSource } from '../../../../src/data/sample-source.js';
import { packageFolder } from '../../../../src/process/package-folder.js';
import { randomBytes } from '../../../support/data-files.js';
import { compiledLoader, loaderProgram } from '../../../support/loader-program.js';

const SHAPE = { height: 9, width: 8, channels: 3 } as const;
const IMAGE = 9 * 8 * 3;
const COUNT = 50;
const NORMALISE = { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] };

const loaders: Loader[] = [];
afterEach(async () => {
  await Promise.all(loaders.splice(0).map((loader) => loader.close()));
});

function open(options: Partial<LoaderOptions> = {}): Loader {
  const loader = openLoader({ shape: SHAPE, rows: 32, threads: 1, program: loaderProgram(), ...options });
  loaders.push(loader);
  return loader;
}

/** Asks for one batch. */
function ask(loader: Loader, request: BatchRequest): Loading {
  return loader.request([request])[0]!;
}

function splitOfNoise(name: string, seed: number): SampleSource {
  const pixels = randomBytes(COUNT * IMAGE, seed);
  const labels = Int32Array.from({ length: COUNT }, (_, i) => (i * seed) % 10);
  return residentSource({ ...SHAPE, count: COUNT, classes: 10, pixels, labels }, { name, from: 0, to: COUNT });
}

const TRAIN = splitOfNoise('train', 3);
const TEST = splitOfNoise('test', 7);
const viewOf = (epoch: number): BatchView => ({ seed: 5, epoch, augment: { cropPadding: 2, flip: true }, normalise: NORMALISE });

/** Batch number `i` of a plan that changes split, view, size and samples from one to the next. */
function requestOf(i: number): BatchRequest {
  const samples = Int32Array.from({ length: 1 + ((i * 5) % 8) }, (_, j) => (i * 11 + j * 7) % COUNT);
  return i % 7 === 6 ? { split: TEST, view: { ...viewOf(0), augment: null }, samples } : { split: TRAIN, view: viewOf(i % 3), samples };
}

function assembledHere({ split, view, samples }: BatchRequest): BatchArrays {
  const out = { images: new Float32Array(samples.length * IMAGE), labels: new Int32Array(samples.length) };
  assembleBatch({ store: split.store, view, samples, out });
  return out;
}

function expectBatch(got: BatchArrays, request: BatchRequest): void {
  const expected = assembledHere(request);
  expect(got.images.length).toBe(expected.images.length);
  // Many batches: a comparison of buffers is faster than one of numbers, and as strict.
  expect(Buffer.compare(bytesOf(got.images), bytesOf(expected.images))).toBe(0);
  expect([...got.labels]).toEqual([...expected.labels]);
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);

describe('a stream of batches', () => {
  test.each([1, 2, 3])('with %i threads has the bits of assembleBatch, in order', async (threads) => {
    const requests = Array.from({ length: 600 }, (_, i) => requestOf(i));
    const stream = new BatchStream(open({ threads }), requests);
    for (const request of requests) expectBatch(await stream.next(), request);
    await expect(stream.next()).rejects.toThrow('another batch');
  });

  test('called off midway, it leaves the ring to the next one', async () => {
    const loader = open({ rows: 8 * BATCHES_AHEAD, threads: 2 });
    for (let round = 0; round < 40; round++) {
      const requests = Array.from({ length: 20 }, (_, i) => requestOf(round * 20 + i));
      const stream = new BatchStream(loader, requests);
      for (const request of requests.slice(0, round % 4)) expectBatch(await stream.next(), request);
      stream.close();
      stream.close();
    }
    const stream = new BatchStream(loader, [requestOf(3)]);
    expectBatch(await stream.next(), requestOf(3));
  });

  test.each([
    // Asked for when the stream opens, and after each call of next.
    ['as the ring has room for, several at a time', 6, [6, 6, 6, 6, 9, 9]],
    ['as there is a use for', 100, [BATCHES_AHEAD, BATCHES_AHEAD]],
    ['two where the ring has room for one', 1, [2, 2, 3, 4]],
  ])('asks for as many %s', async (_, batches, expected) => {
    let asked = 0;
    const loader = open({ rows: 2 * batches });
    const counting: Loader = {
      waits: 0,
      rows: loader.rows,
      request(requests) {
        asked += requests.length;
        return loader.request(requests);
      },
      arraysOf: (loadings) => loader.arraysOf(loadings),
      close: () => loader.close(),
    };
    const requests = Array.from({ length: 40 }, (_, i) => ({ split: TRAIN, view: viewOf(i), samples: Int32Array.of(i, i + 1) }));
    const stream = new BatchStream(counting, requests);
    const counts = [asked];
    while (counts.length < expected.length) {
      await stream.next();
      counts.push(asked);
    }
    expect(counts).toEqual(expected);
  });
});

describe('batches asked for one by one', () => {
  test('what the ring has no room for waits, and what is in use stays as it is meanwhile', async () => {
    const loader = open({ rows: 8 });
    const requests = Array.from({ length: 6 }, (_, i) => ({
      split: TRAIN,
      view: viewOf(i),
      samples: Int32Array.of(i, i + 1, i + 2, i + 3),
    }));
    const loadings = loader.request(requests);
    const check = (...numbers: readonly number[]) => {
      for (const i of numbers) expectBatch(loader.arraysOf([loadings[i]!]), requests[i]!);
    };
    await loadings[1]!.ready();
    for (let next = 2; next < 6; next++) {
      // The thread has nothing left that it may do.
      expect(loadings.map((loading) => loading.isReady()).indexOf(false)).toBe(next);
      check(next - 2, next - 1);
      loadings[next - 2]!.giveBack();
      expect(() => loader.arraysOf([loadings[next - 2]!])).toThrow('not ready');
      await loadings[next]!.ready();
      check(next - 1, next);
    }
  });

  test('more jobs than the queue holds are loaded all the same', async () => {
    const loader = open({ rows: 2000, threads: 2 });
    const requests = Array.from({ length: 700 }, (_, i) => ({ split: TRAIN, view: viewOf(i), samples: Int32Array.of(i % COUNT) }));
    const loadings = loader.request(requests);
    for (const [i, loading] of loadings.entries()) {
      await loading.ready();
      expectBatch(loader.arraysOf([loading]), requests[i]!);
      loading.giveBack();
    }
  });

  test('those that follow each other are one batch, and those that do not are not', async () => {
    const loader = open({ rows: 10 });
    const requests = [0, 1, 2].map((epoch) => ({ split: TRAIN, view: viewOf(epoch), samples: Int32Array.of(epoch, 4, 5) }));
    const [a, b, c] = loader.request(requests);
    await c!.ready();
    expect([b!.follows(a!), c!.follows(b!), c!.follows(a!), a!.follows(b!)]).toEqual([true, true, false, false]);
    const { images, labels } = loader.arraysOf([a!, b!, c!]);
    const apart = requests.map(assembledHere);
    expect([...images]).toEqual(apart.flatMap((batch) => [...batch.images]));
    expect([...labels]).toEqual(apart.flatMap((batch) => [...batch.labels]));
    expect(() => loader.arraysOf([a!, c!])).toThrow('follow each other');
    a!.giveBack();
    const d = ask(loader, requests[0]!); // there is room at the start of the ring only
    await d.ready();
    expect(d.follows(c!)).toBe(false);
  });

  test('the samples are copied', async () => {
    const loader = open();
    const request = requestOf(4);
    const expected = { ...request, samples: request.samples.slice() };
    const loading = ask(loader, request);
    request.samples.fill(0);
    await loading.ready();
    expectBatch(loader.arraysOf([loading]), expected);
  });

  test('says how often somebody had to wait', async () => {
    const loader = open();
    const [first, second] = [ask(loader, requestOf(0)), ask(loader, requestOf(1))];
    await second.ready();
    await first.ready();
    expect(loader.waits).toBe(1);
  });

  test.each([
    ['a sample beyond the split', { samples: Int32Array.of(COUNT) }],
    ['a sample below zero', { samples: Int32Array.of(-1) }],
    ['no sample', { samples: new Int32Array() }],
    ['more samples than the ring has rows', { samples: new Int32Array(33) }],
    ['a split of another shape', { split: { ...TRAIN, width: 7 } }],
  ] as const)('asserts on %s', (_, wrong) => {
    const loader = open();
    expect(() => ask(loader, { ...requestOf(0), ...wrong })).toThrow(InvariantError);
  });
});

describe('the end', () => {
  const programOf = (code: string) => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

  test.each([
    ['throws', "throw new Error('no such table')", /a loader thread failed: no such table/],
    ['exits', 'process.exit(3)', /a loader thread ended, with code 3/],
    ['cannot be started', null, /a loader thread failed: Cannot find module/],
  ] as const)('a thread that %s fails the batches that are waited for, and those that are asked for later', async (_, code, message) => {
    const program = code === null ? new URL('file:///nowhere/loader-thread.js') : programOf(code);
    // If there were two, the other might be ended while it throws, and Node then ends the whole process (v8::ToLocalChecked).
    const loader = open({ threads: 1, program });
    const loading = ask(loader, requestOf(0));
    await expect(loading.ready()).rejects.toThrow(message);
    expect(loading.isReady()).toBe(false);
    await expect(loading.ready()).rejects.toThrow(message);
    expect(() => ask(loader, requestOf(1))).toThrow(message);
    loading.giveBack();
  });

  test('what was ready before a thread failed can still be used', async () => {
    const crash = `import(${JSON.stringify(loaderProgram().href)})`;
    // The first thread to come to job 3 dies of it.
    const spy =
      "const exchange = Atomics.compareExchange; let jobs = 0; Atomics.compareExchange = (...all) => { if (++jobs > 3) throw new Error('job 3'); return exchange(...all); };";
    const loader = open({ program: programOf(`${spy} await ${crash}`) });
    const loadings = Array.from({ length: 5 }, (_, i) => ask(loader, requestOf(i)));
    await expect(loadings[4]!.ready()).rejects.toThrow('a loader thread failed: job 3');
    expect(loadings.slice(0, 3).map((loading) => loading.isReady())).toEqual([true, true, true]);
    expectBatch(loader.arraysOf([loadings[1]!]), requestOf(1));
    await expect(loadings[3]!.ready()).rejects.toThrow('job 3');
  });

  test('a closed loader says so to those who wait and those who come', async () => {
    const loader = open({ rows: 8 });
    const loadings = [ask(loader, requestOf(1)), ask(loader, requestOf(3)), ask(loader, requestOf(4))];
    const waits = loadings.map((loading) =>
      loading.ready().then(
        () => 'ready',
        (error: Error) => error.message,
      ),
    );
    const closed = loader.close();
    for (const outcome of await Promise.all(waits)) expect(outcome).toMatch(/^ready$|^the loader is closed$/);
    await closed;
    await loader.close();
    expect(() => ask(loader, requestOf(0))).toThrow('the loader is closed');
    await expect(loader.close()).resolves.toBeUndefined();
  });

  test('a loader that nobody closed does not keep its process alive, but one that is waited for does', async () => {
    const script = join(packageFolder, 'test/support/process/idle-loader.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [script, compiledLoader().href], { timeout: 60_000 });
    expect(stdout).toBe('ready\n');
  });
});
