/**
 * Small valid data files of every format, for tests: as bytes, or in a folder. Pixels and labels are a function of a seed;
 * labels go round the classes, so that each occurs. `writeFashionAsCifar10` and `writeFashionAsCifar100` have real
 * images instead.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { Prng } from '../../src/base/prng.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { ResidentStore, SampleSource } from '../../src/data/sample-source.js';
import { residentStoreOf } from './resident-store.js';

const CIFAR_PIXELS = 3 * 32 * 32;

export interface IdxOptions {
  readonly train?: number;
  readonly test?: number;
  readonly height?: number;
  readonly width?: number;
  readonly gzip?: boolean;
  readonly seed?: number;
}

/** An idx header and its elements. */
export function idxBytes(axes: readonly number[], elements: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * axes.length);
  head.set([0, 0, 8, axes.length]);
  for (const [i, axis] of axes.entries()) head.writeUInt32BE(axis, 4 + 4 * i);
  return Buffer.concat([head, elements]);
}

export function randomBytes(count: number, seed: number): Uint8Array {
  const draws = new Prng(seed);
  return Uint8Array.from({ length: count }, () => draws.below(256));
}

function roundLabels(count: number, classes: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => i % classes);
}

/** Both parts of an MNIST-like set; 60 and 20 grey images of 12x10, if not said otherwise. */
export async function writeIdx(folder: string, options: IdxOptions = {}): Promise<void> {
  const { train = 60, test = 20, height = 12, width = 10, gzip = false, seed = 1 } = options;
  await mkdir(folder, { recursive: true });
  for (const [prefix, count] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const images = idxBytes([count, height, width], randomBytes(count * height * width, seed + count));
    const labels = idxBytes([count], roundLabels(count, 10));
    const suffix = gzip ? '.gz' : '';
    await writeFile(join(folder, `${prefix}-images-idx3-ubyte${suffix}`), gzip ? gzipSync(images) : images);
    await writeFile(join(folder, `${prefix}-labels-idx1-ubyte${suffix}`), gzip ? gzipSync(labels) : labels);
  }
}

/** Records of CIFAR's layout: each the label bytes that `labelsOf` gives, then random planes. */
export function cifarBytes(records: number, seed: number, labelsOf: (record: number) => readonly number[]): Buffer {
  const pixels = randomBytes(records * CIFAR_PIXELS, seed);
  const parts = Array.from({ length: records }, (_, i) => [
    Uint8Array.from(labelsOf(i)),
    pixels.subarray(i * CIFAR_PIXELS, (i + 1) * CIFAR_PIXELS),
  ]);
  return Buffer.concat(parts.flat());
}

/** The pixel of a CIFAR file's record at (y, x, channel), straight from the layout's definition. */
export function planarPixel(bytes: Uint8Array, at: { record: number; labelBytes: number; y: number; x: number; channel: number }): number {
  return bytes[at.record * (at.labelBytes + CIFAR_PIXELS) + at.labelBytes + at.channel * 1024 + at.y * 32 + at.x]!;
}

/** Five training files and a test file; 8 records in each, if not said otherwise. */
export async function writeCifar10(folder: string, { perFile = 8, test = 8, seed = 1 } = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let batch = 1; batch <= 5; batch++) {
    await writeFile(
      join(folder, `data_batch_${batch}.bin`),
      cifarBytes(perFile, seed + batch, (i) => [i % 10]),
    );
  }
  await writeFile(
    join(folder, 'test_batch.bin'),
    cifarBytes(test, seed, (i) => [i % 10]),
  );
}

/** A file for each part; fine labels go round 100 classes, coarse ones round 20. */
export async function writeCifar100(folder: string, { train = 20, test = 8, seed = 1 } = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'train.bin'), cifarBytes(train, seed + 1, cifar100Labels));
  await writeFile(join(folder, 'test.bin'), cifarBytes(test, seed, cifar100Labels));
}

function cifar100Labels(record: number): readonly number[] {
  return [record % 20, record % 100];
}

/**
 * Real images in CIFAR-10's layout: Fashion-MNIST's 28x28 grey ones in the middle of 32x32, the same in all three
 * planes. The training files have the first 5 * perFile of the 10,000, the test file the last `test`.
 */
export async function writeFashionAsCifar10(folder: string, { perFile = 1600, test = 2000 } = {}): Promise<void> {
  const all = await fashion();
  await mkdir(folder, { recursive: true });
  const cut = (from: number, count: number) => fashionRecords(all, { from, count, labelsOf: (label) => [label] });
  for (let batch = 1; batch <= 5; batch++) await writeFile(join(folder, `data_batch_${batch}.bin`), cut((batch - 1) * perFile, perFile));
  await writeFile(join(folder, 'test_batch.bin'), cut(all.count - test, test));
}

/** The same images in CIFAR-100's layout: the first `train` and the last `test`. Ten of the fine and of the coarse classes have images. */
export async function writeFashionAsCifar100(folder: string, { train = 8000, test = 2000 } = {}): Promise<void> {
  const all = await fashion();
  await mkdir(folder, { recursive: true });
  const cut = (from: number, count: number) => fashionRecords(all, { from, count, labelsOf: (label) => [label, label] });
  await writeFile(join(folder, 'train.bin'), cut(0, train));
  await writeFile(join(folder, 'test.bin'), cut(all.count - test, test));
}

/** Fashion-MNIST's 10,000 test images, in memory. */
export async function fashionImages(): Promise<ResidentStore> {
  return residentStoreOf(await fashion());
}

function fashion(): Promise<SampleSource> {
  const normalise = { mean: [0], std: [1] };
  const splits = { all: { part: 'test' as const, from: 0 } };
  return loadSplit({ format: 'idx', path: 'builtin:fashion-mnist', labels: 'fine', normalise, splits }, 'all');
}

interface FashionRecords {
  readonly from: number;
  readonly count: number;
  /** The label bytes of a record of this class. */
  readonly labelsOf: (label: number) => readonly number[];
}

function fashionRecords(all: SampleSource, { from, count, labelsOf }: FashionRecords): Buffer {
  const record = (sample: number): Uint8Array => {
    const labels = labelsOf(all.label(sample));
    const bytes = new Uint8Array(labels.length + CIFAR_PIXELS);
    bytes.set(labels);
    for (let plane = 0; plane < 3; plane++) {
      for (let y = 0; y < 28; y++) {
        const start = (sample * 28 + y) * 28;
        bytes.set(residentStoreOf(all).pixels.subarray(start, start + 28), labels.length + (plane * 32 + y + 2) * 32 + 2);
      }
    }
    return bytes;
  };
  return Buffer.concat(Array.from({ length: count }, (_, i) => record(from + i)));
}
