/** Every format: what was written is what is read, in [H, W, C], and inspecting says the same as reading. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORMATS } from '../../../src/data/catalogue.js';
import { loadSplit } from '../../../src/data/dataset.js';
import {
  cifarBytes,
  idxBytes,
  randomBytes,
  writeCifar10,
  writeCifar100,
  writeFashionAsCifar10,
  writeIdx,
} from '../../support/data-files.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'stillhouse data ')); // with a space
});
afterAll(() => rm(root, { recursive: true }));

/** The pixel of CIFAR's record at (y, x, channel), straight from the layout's definition. */
const planar = (bytes: Uint8Array, at: { record: number; labelBytes: number; y: number; x: number; channel: number }): number =>
  bytes[at.record * (at.labelBytes + 3072) + at.labelBytes + at.channel * 1024 + at.y * 32 + at.x]!;

describe('formats', () => {
  test.each([
    ['idx', 'fine', writeIdx, { train: 60, test: 20 }, { height: 12, width: 10, channels: 1, classes: 10 }],
    [
      'idx',
      'fine',
      (folder: string) => writeIdx(folder, { gzip: true }),
      { train: 60, test: 20 },
      { height: 12, width: 10, channels: 1, classes: 10 },
    ],
    ['cifar10', 'fine', writeCifar10, { train: 40, test: 8 }, { height: 32, width: 32, channels: 3, classes: 10 }],
    ['cifar100', 'fine', writeCifar100, { train: 20, test: 8 }, { height: 32, width: 32, channels: 3, classes: 100 }],
    ['cifar100', 'coarse', writeCifar100, { train: 20, test: 8 }, { height: 32, width: 32, channels: 3, classes: 20 }],
  ] as const)('%s with %s labels: inspect and read agree (case %#)', async (format, labels, write, counts, shape) => {
    const folder = await mkdtemp(join(root, 'set-'));
    await write(folder);
    for (const part of ['train', 'test'] as const) {
      const source = { folder, part, labels };
      const read = await FORMATS[format].read(source);
      expect(await FORMATS[format].inspect(source)).toEqual({ ...shape, count: counts[part] });
      expect(read).toMatchObject({ ...shape, name: part, count: counts[part] });
      expect(read.pixels.length).toBe(counts[part] * shape.height * shape.width * shape.channels);
      expect(read.labels.length).toBe(counts[part]);
      const distinct = format === 'idx' ? read.files[0]!.samples : read.files.reduce((sum, file) => sum + file.samples, 0);
      expect(distinct).toBe(counts[part]);
    }
  });

  test('idx: pixels and labels are those of the files, gzip or not, several gzip members or one', async () => {
    const images = randomBytes(3 * 4 * 5, 9);
    const labels = Uint8Array.of(9, 0, 4);
    const imageFile = idxBytes([3, 4, 5], images);
    const encodings: [string, Buffer][] = [
      ['', imageFile],
      ['.gz', gzipSync(imageFile)],
      ['.gz', Buffer.concat([gzipSync(imageFile.subarray(0, 30)), gzipSync(imageFile.subarray(30))])],
    ];
    for (const [suffix, bytes] of encodings) {
      const folder = await mkdtemp(join(root, 'idx-'));
      await writeFile(join(folder, `train-images-idx3-ubyte${suffix}`), bytes);
      await writeFile(join(folder, 'train-labels-idx1-ubyte.gz'), gzipSync(idxBytes([3], labels)));
      const part = await FORMATS.idx.read({ folder, part: 'train', labels: 'fine' });
      expect(Uint8Array.from(part.pixels)).toEqual(images);
      expect(Uint8Array.from(part.labels)).toEqual(labels);
      expect(part.files).toEqual([
        { file: join(folder, `train-images-idx3-ubyte${suffix}`), samples: 3 },
        { file: join(folder, 'train-labels-idx1-ubyte.gz'), samples: 3 },
      ]);
    }
  });

  test('cifar10: planes become channels, files follow one another', async () => {
    const folder = await mkdtemp(join(root, 'c10-'));
    const files = [1, 2, 3, 4, 5].map((batch) => cifarBytes(batch, 100 + batch, (i) => [(i + batch) % 10]));
    for (const [i, bytes] of files.entries()) await writeFile(join(folder, `data_batch_${i + 1}.bin`), bytes);
    const part = await FORMATS.cifar10.read({ folder, part: 'train', labels: 'fine' });
    expect(part.files.map(({ samples }) => samples)).toEqual([1, 2, 3, 4, 5]);
    let sample = 0;
    for (const [i, bytes] of files.entries()) {
      for (let record = 0; record <= i; record++, sample++) {
        expect(part.labels[sample]).toBe((record + i + 1) % 10);
        for (const [y, x, channel] of [
          [0, 0, 0],
          [0, 1, 2],
          [13, 30, 1],
          [31, 31, 2],
        ] as const) {
          const pixel = part.pixels[((sample * 32 + y) * 32 + x) * 3 + channel];
          expect(pixel).toBe(planar(bytes, { record, labelBytes: 1, y, x, channel }));
        }
      }
    }
  });

  test('cifar100: coarse and fine labels of the same records', async () => {
    const folder = await mkdtemp(join(root, 'c100-'));
    const bytes = cifarBytes(30, 5, (i) => [i % 20, 99 - i]);
    await writeFile(join(folder, 'test.bin'), bytes);
    const fine = await FORMATS.cifar100.read({ folder, part: 'test', labels: 'fine' });
    const coarse = await FORMATS.cifar100.read({ folder, part: 'test', labels: 'coarse' });
    expect([...fine.labels]).toEqual(Array.from({ length: 30 }, (_, i) => 99 - i));
    expect([...coarse.labels]).toEqual(Array.from({ length: 30 }, (_, i) => i % 20));
    expect(fine.pixels).toEqual(coarse.pixels);
    expect(fine.pixels[(29 * 1024 + 7 * 32 + 3) * 3 + 1]).toBe(planar(bytes, { record: 29, labelBytes: 2, y: 7, x: 3, channel: 1 }));
  });

  test('a split is samples of its part, by their index within it', async () => {
    const folder = await mkdtemp(join(root, 'split-'));
    await writeIdx(folder);
    const recipe = {
      format: 'idx' as const,
      path: folder,
      labels: 'fine' as const,
      normalise: { mean: [0.5], std: [0.5] },
      splits: { all: { part: 'train' as const, from: 0 }, some: { part: 'train' as const, from: 13, to: 40 } },
    };
    const all = await loadSplit(recipe, 'all');
    const some = await loadSplit(recipe, 'some');
    expect(all.count).toBe(60);
    expect(some).toMatchObject({ name: 'some', count: 27, height: 12, width: 10, channels: 1, classes: 10 });
    expect(Uint8Array.from(some.pixels)).toEqual(Uint8Array.from(all.pixels.subarray(13 * 120, 40 * 120)));
    for (let sample = 0; sample < 27; sample++) expect(some.label(sample)).toBe(all.label(13 + sample));
    expect(some.pixels.buffer.byteLength).toBeLessThan(27 * 120 + 64);
    expect(() => some.label(27)).toThrow('no sample 27');
  });

  test("Fashion-MNIST in CIFAR-10's layout is the same pictures", async () => {
    const folder = await mkdtemp(join(root, 'fashion-'));
    await writeFashionAsCifar10(folder, { perFile: 10, test: 20 });
    const normalise = { mean: [0, 0, 0], std: [1, 1, 1] };
    const splits = { held: { part: 'test' as const, from: 0 }, learn: { part: 'train' as const, from: 0 } };
    const held = await loadSplit({ format: 'cifar10', path: folder, labels: 'fine', normalise, splits }, 'held');
    const learn = await loadSplit({ format: 'cifar10', path: folder, labels: 'fine', normalise, splits }, 'learn');
    const real = await FORMATS.idx.read({ folder: 'deploy/data/fashion-mnist', part: 'test', labels: 'fine' });
    for (const [split, sample, original] of [
      [held, 19, 9999],
      [held, 0, 9980],
      [learn, 49, 49],
    ] as const) {
      expect(split.label(sample)).toBe(real.labels[original]);
      for (let y = 0; y < 28; y++) {
        const row = ((sample * 32 + y + 2) * 32 + 2) * 3;
        const grey = [...real.pixels.subarray((original * 28 + y) * 28, (original * 28 + y + 1) * 28)];
        expect([...split.pixels.subarray(row, row + 28 * 3)]).toEqual(grey.flatMap((value) => [value, value, value]));
      }
    }
  });
});
