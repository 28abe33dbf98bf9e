/** A worker without the data gets its splits from a coordinator: whole, cut, damaged, and wrong. */

import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Clock, systemClock } from '../../../src/base/clock.js';
import type { DataRecipe } from '../../../src/config/schema.js';
import { assembleBatch } from '../../../src/data/batch.js';
import { fingerprintSplit, loadSplit } from '../../../src/data/dataset.js';
import { openLoader } from '../../../src/data/loader/loader.js';
import type { SampleSource } from '../../../src/data/sample-source.js';
import type { DataMessage, DataRequest } from '../../../src/protocol/data.js';
import { type DataReply, refusal, serveData } from '../../../src/rpc/data-server.js';
import { Connections } from '../../../worker/kit/connections.js';
import { FeedClient } from '../../../worker/kit/feed-client.js';
import { SplitFetch } from '../../../worker/kit/fetch-split.js';
import { SplitCache } from '../../../worker/kit/split-cache.js';
import { writeIdx } from '../../support/data-files.js';
import { writeNoiseFolder } from '../../support/image-folder.js';
import { loaderProgram } from '../../support/loader-program.js';
import { createMemoryTransport } from '../../support/memory-transport.js';
import { feedOf } from '../../support/split-feed.js';
import { type LogLine, recordingLogger } from '../shell/recording-logger.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const NORMALISE = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] };
const RANDOM = { seed: 3, epoch: 2, augment: { cropPadding: 1, flip: true, mixUp: 1 } };
const SPLITS = { train: { part: 'train', from: 0 }, half: { part: 'train', from: 4 } };

async function opened(kind: 'idx' | 'folder') {
  const root = mkdtempSync(join(tmpdir(), 'stillhouse fed '));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const path = join(root, 'data');
  await (kind === 'idx' ? writeIdx(path) : writeNoiseFolder(path));
  const resident: DataRecipe = { format: 'idx', path, labels: 'fine', normalise: { mean: [0.5], std: [0.2] }, splits: SPLITS };
  const recipe: DataRecipe =
    kind === 'idx' ? resident : { ...resident, format: 'folder', image: { size: 16, resize: 18 }, normalise: NORMALISE };
  const fingerprints = { train: await fingerprintSplit(recipe, 'train'), half: await fingerprintSplit(recipe, 'half') };
  const feed = feedOf(recipe, fingerprints, { answerBytes: 1500 });
  const asked: DataRequest['type'][] = [];
  const real = (request: DataMessage<DataRequest>): Promise<DataReply> => {
    const { header, tensors } = request;
    if (header.type === 'split.get') return feed.rows(header);
    return header.type === 'image.get' ? feed.images(header, tensors) : Promise.resolve(refusal('missing', header.type));
  };
  const server = { answer: real, real };
  const transport = createMemoryTransport();
  const answer = (request: DataMessage<DataRequest>) => {
    asked.push(request.header.type);
    return server.answer(request);
  };
  const { endpoint, close } = await serveData({ transport, endpoint: 'inproc://coordinator', answer });
  onTestFinished(close);
  const lines: LogLine[] = [];
  const missing = { ...recipe, path: join(root, 'nowhere') };
  /** A worker of the host. */
  const worker = (clock: Clock = systemClock) => {
    const connections = new Connections(transport, systemClock);
    const client = new FeedClient({ connections, endpoint, clock: systemClock });
    onTestFinished(async () => {
      client.close();
      await connections.close();
    });
    const options = {
      recipe: missing,
      client,
      folder: join(root, 'cache'),
      limitBytes: 1e9,
      clock,
      logger: recordingLogger(lines),
      onGet: () => {},
    };
    return { client, splits: new SplitCache(missing, fingerprints, new SplitFetch(options)), fetch: new SplitFetch(options) };
  };
  const splitFiles = () => readdirSync(join(root, 'cache/splits')).map((name) => join(root, 'cache/splits', name));
  return { root, recipe, fingerprints, server, asked, lines, worker, splitFiles };
}

/** The first batches of a split, by the loader. */
async function batchesOf(split: SampleSource, view: Pick<DataRecipe, 'normalise'>): Promise<number[][]> {
  const loader = openLoader({ shape: split, rows: 40, threads: 2, program: loaderProgram() });
  try {
    const requests = [0, 1, 2].map((i) => ({ split, view: { ...RANDOM, normalise: view.normalise }, samples: Int32Array.of(i, 5 - i, 3) }));
    const batches: number[][] = [];
    for (const loading of loader.request(requests)) {
      await loading.ready();
      const { images, labels } = loader.arraysOf([loading]);
      batches.push([...images, ...labels]);
    }
    return batches;
  } finally {
    await loader.close();
  }
}

test.each(['idx', 'folder'] as const)(
  '%s: the batches are those of the files; another worker of the host fetches nothing again',
  async (kind) => {
    const { recipe, fingerprints, asked, worker } = await opened(kind);
    const expected = await batchesOf(await loadSplit(recipe, 'train'), recipe);
    const label = (await loadSplit(recipe, 'train')).label(4);
    for (const isFirst of [true, false]) {
      const before = asked.length;
      const split = await worker().splits.get('train');
      expect(await split.fingerprint()).toBe(fingerprints.train);
      expect([split.name, split.count, split.label(4)]).toEqual(['train', kind === 'idx' ? 60 : 12, label]);
      expect(await batchesOf(split, recipe)).toEqual(expected);
      // An answer has 12 rows of 124 bytes, or all of the index; images come one or two at a time.
      const [rows, images] = (['split.get', 'image.get'] as const).map((type) => asked.slice(before).filter((own) => own === type).length);
      expect(rows).toBe(!isFirst ? 0 : kind === 'idx' ? 5 : 1);
      expect(images! > 0).toBe(isFirst && kind === 'folder');
    }
    // Images that another split has, too, are there already.
    const before = asked.length;
    const half = await worker().splits.get('half');
    (await half.prepare?.(Int32Array.of(0)))?.();
    expect(new Set(asked.slice(before))).toEqual(new Set(['split.get']));
  },
);

test('two workers that begin at the same time fetch the rows once', async () => {
  const { asked, worker } = await opened('idx');
  const [a, b] = await Promise.all([worker().splits.get('train'), worker().splits.get('train')]);
  expect(await a.fingerprint()).toBe(await b.fingerprint());
  expect(asked).toHaveLength(5);
});

test('of two workers that wait for one that is gone, one takes its lock, and the other waits as long for that one', async () => {
  const { root, fingerprints, server, asked, lines, worker } = await opened('idx');
  const lock = join(root, `cache/splits/${fingerprints.train}.rows.lock`);
  mkdirSync(join(root, 'cache/splits'), { recursive: true });
  writeFileSync(lock, JSON.stringify({ host: 'another', pid: 7, mark: null }));
  let answer = () => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  server.answer = (request) => held.then(() => server.real(request));
  const clocks = [new VirtualClock(), new VirtualClock()];
  const splits = clocks.map((clock) => worker(clock).splits.get('train'));
  const pass = async (clock: VirtualClock, ms: number) => {
    while (clock.pending === 0 && asked.length === 0) await new Promise(setImmediate);
    await clock.advance(ms);
  };
  for (const ms of [299_000, 1_000]) for (const clock of clocks) await pass(clock, ms);
  // Both have waited for five minutes.
  while (clocks.some(({ pending }) => pending === 0)) await new Promise(setImmediate);
  const [first, second] = clocks as [VirtualClock, VirtualClock];
  await first.advance(1_000);
  while (asked.length === 0) await new Promise(setImmediate);
  for (const ms of [1_000, 290_000]) {
    await second.advance(ms);
    while (second.pending === 0) await new Promise(setImmediate);
  }
  expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid });
  expect(asked).toHaveLength(1);
  answer();
  expect((await splits[0])?.count).toBe(60);
  await second.advance(1_000);
  expect((await splits[1])?.count).toBe(60);
  expect(asked).toHaveLength(5);
  expect(lines.filter(({ event }) => event === 'data.lockTaken')).not.toEqual([]);
});

test('a fetch that was cut goes on where it stopped', async () => {
  const { server, asked, worker, splitFiles } = await opened('idx');
  server.answer = (request) => (asked.length > 3 ? Promise.resolve(refusal('missing', 'gone')) : server.real(request));
  await expect(worker().splits.get('train')).rejects.toMatchObject({
    code: 'data.missing',
    message: expect.stringMatching(/cannot give the split train: gone .*inproc:/),
  });
  server.answer = server.real;
  const before = asked.length;
  const [part] = splitFiles();
  appendFileSync(part!, 'half a row');
  expect((await worker().splits.get('train')).count).toBe(60);
  expect(asked.length - before).toBe(2);
});

test('rows that are damaged on the disk are fetched again', async () => {
  const { worker, splitFiles, lines, asked } = await opened('idx');
  await worker().splits.get('train');
  const [file] = splitFiles();
  const bytes = readFileSync(file!);
  bytes[200]! ^= 1;
  writeFileSync(file!, bytes);
  expect((await worker().splits.get('train')).count).toBe(60);
  expect(lines.filter(({ level }) => level === 'warn')[0]).toMatchObject({ event: 'data.notKept', fields: { file } });
  expect(asked).toHaveLength(10);
});

test('another split than the one that was named is not used, and not kept; one that an earlier process left is given up first', async () => {
  const { server, worker, splitFiles, asked } = await opened('idx');
  const other = (request: DataMessage<DataRequest>) =>
    server.real(request).then((reply) => {
      const [rows] = reply.tensors;
      const data = (rows!.data as Uint8Array).slice();
      data[0]! ^= 1;
      return { ...reply, tensors: [{ ...rows!, data }] };
    });
  server.answer = other;
  await expect(worker().splits.get('train')).rejects.toMatchObject({ code: 'data.damaged', details: { address: 'inproc://coordinator' } });
  expect(splitFiles()).toEqual([]);
  server.answer = (request) => (asked.length > 7 ? Promise.resolve(refusal('missing', 'gone')) : other(request));
  await expect(worker().splits.get('train')).rejects.toMatchObject({ code: 'data.missing' });
  server.answer = server.real;
  expect((await worker().splits.get('train')).count).toBe(60);
});

test('an image that came damaged is not kept; one that is damaged on the disk fails its batch with its name', async () => {
  const { root, recipe, server, worker } = await opened('folder');
  const split = await worker().splits.get('train');
  server.answer = (request) =>
    server.real(request).then((reply) => {
      const [sizes, images] = reply.tensors;
      const data = (images!.data as Uint8Array).slice();
      data[3]! ^= 1;
      return { ...reply, tensors: [sizes!, { ...images!, data }] };
    });
  await expect(split.prepare!(Int32Array.of(1))).rejects.toMatchObject({
    code: 'data.damaged',
    message: expect.stringContaining('sample 1 of the split train'),
  });
  server.answer = server.real;
  (await split.prepare!(Int32Array.of(1, 1)))();
  const folder = join(root, 'cache/images');
  const [file] = readdirSync(folder).flatMap((part) => readdirSync(join(folder, part)).map((name) => join(folder, part, name)));
  const bytes = readFileSync(file!);
  bytes[50]! ^= 1;
  writeFileSync(file!, bytes);
  const out = { images: new Float32Array(16 * 16 * 3), labels: new Int32Array(1) };
  const view = { ...RANDOM, augment: null, normalise: recipe.normalise };
  expect(() => assembleBatch({ store: split.store, view, samples: [1], out })).toThrow(`${file}: is not the image that was fetched`);
  // For another worker of the host it is none: it comes again. A file that is too short counts as missing in this one, too.
  const other = await worker().splits.get('train');
  (await other.prepare!(Int32Array.of(1)))();
  expect(() => assembleBatch({ store: other.store, view, samples: [1], out })).not.toThrow();
  truncateSync(file!, 60);
  (await split.prepare!(Int32Array.of(1)))();
  expect(() => assembleBatch({ store: split.store, view, samples: [1], out })).not.toThrow();
});

test('a coordinator that is busy is asked again', async () => {
  const { server, worker, asked } = await opened('idx');
  server.answer = (request) => (asked.length < 3 ? Promise.resolve(refusal('busy', 'later')) : server.real(request));
  expect((await worker().splits.get('train')).count).toBe(60);
});

test('a path with something else than the data is a mistake that is told, and a disk that cannot keep the data too', async () => {
  const { root, fingerprints, recipe, worker } = await opened('idx');
  const { fetch, splits } = worker();
  const wrong = new SplitCache({ ...recipe, path: root }, fingerprints, fetch);
  await expect(wrong.get('train')).rejects.toMatchObject({
    code: 'data.missing',
    message: expect.stringContaining('a data file is not in this folder'),
  });
  writeFileSync(join(root, 'cache'), 'a file where the folder should be');
  await expect(splits.get('train')).rejects.toMatchObject({
    code: 'data.missing',
    message: expect.stringMatching(/cannot be kept: .*STILLHOUSE_CACHE/),
  });
});
