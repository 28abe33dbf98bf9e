/**
 * The inputs that both sides of a loader row start from, as files: images of CIFAR's shape and their labels as bytes,
 * and where each of the gate's images is cropped and whether it is mirrored. `loader.json` describes them. Deterministic.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import { type Placement, placementOf } from '../../src/data/augment.js';
import { residentSource, sharedBytes } from '../../src/data/resident-source.js';
import type { SampleSource } from '../../src/data/sample-source.js';

export interface LoaderCase {
  readonly batch: number;
  readonly threads: number;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
  /** Files: bytes [count, height, width, channels], none of them 0, and [count]. */
  readonly pixels: string;
  readonly labels: string;
  readonly seed: number;
  readonly augment: { readonly cropPadding: number; readonly flip: boolean };
  readonly normalise: { readonly mean: number[]; readonly std: number[] };
  /** Of the first images, in epoch 0: what the gate compares pixel by pixel. */
  readonly placements: readonly Placement[];
  /** Batches of random crops whose statistics the gate compares. */
  readonly gateBatches: number;
}

/** The name of a case's description in its folder. */
const CASE_FILE = 'loader.json';
const SHAPE = { height: 32, width: 32, channels: 3, classes: 10 } as const;
const COUNT = 10_000;
const GATE_IMAGES = 256;

/** Writes a case into the folder. */
export function writeLoaderCase({ folder, batch, threads }: { folder: string; batch: number; threads: number }): LoaderCase {
  const draws = new Prng(1, 5);
  const [pixels, labels] = [join(folder, 'pixels.u8'), join(folder, 'labels.u8')];
  // Black is only where a crop goes over the edge: the gate counts it.
  writeFileSync(
    pixels,
    Uint8Array.from({ length: COUNT * 3072 }, () => 1 + draws.below(255)),
  );
  writeFileSync(
    labels,
    Uint8Array.from({ length: COUNT }, (_, i) => i % SHAPE.classes),
  );
  const [seed, augment] = [3, { cropPadding: 4, flip: true }];
  const description: LoaderCase = {
    ...SHAPE,
    ...{ batch, threads, count: COUNT, pixels, labels, seed, augment },
    normalise: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
    placements: Array.from({ length: GATE_IMAGES }, (_, sample) => placementOf(augment, { seed, epoch: 0 }, sample)),
    gateBatches: 64,
  };
  writeFileSync(join(folder, CASE_FILE), JSON.stringify(description));
  return description;
}

/** The case in a folder, and its images in memory. */
export function readLoaderCase(folder: string): { readonly description: LoaderCase; readonly split: SampleSource } {
  const description = JSON.parse(readFileSync(join(folder, CASE_FILE), 'utf8')) as LoaderCase;
  const { count, height, width, channels, classes } = description;
  const pixels = sharedBytes(count * height * width * channels);
  pixels.set(readFileSync(description.pixels));
  const labels = Int32Array.from(readFileSync(description.labels));
  const images = { count, height, width, channels, classes, pixels, labels };
  return { description, split: residentSource(images, { name: 'train', from: 0, to: count }) };
}
