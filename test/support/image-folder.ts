/** Folders of JPEG files, as ImageNet has them, for tests. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import { resample } from '../../src/data/image/resample.js';
import { fashionImages } from './data-files.js';
import { jpegBytes, type Picture } from './jpeg-writer.js';

/** Soft noise, which a JPEG file keeps. */
export function softNoise(height: number, width: number, seed: number): Picture {
  const draws = new Prng(seed);
  const few = Uint8Array.from({ length: 4 * 4 * 3 }, () => draws.below(256));
  const pixels = new Uint8Array(height * width * 3);
  const [whole, size] = [
    { top: 0, left: 0, height: 4, width: 4 },
    { height, width },
  ];
  resample({ pixels: few, from: 0, height: 4, width: 4, channels: 3 }, { of: whole, size, piece: { top: 0, left: 0, ...size } }, pixels);
  return { height, width, pixels };
}

export interface FolderOptions {
  /** By part: the images of each class. */
  readonly parts?: Readonly<Record<string, number>>;
  readonly classes?: readonly string[];
  readonly height?: number;
  readonly width?: number;
}

/** Parts of classes of soft noise: PART/CLASS/0.jpg and so on. The sizes grow from image to image. */
export async function writeNoiseFolder(folder: string, options: FolderOptions = {}): Promise<void> {
  const { parts = { train: 4, val: 2 }, classes = ['cat', 'dog', 'Eel'], height = 20, width = 24 } = options;
  let seed = 1;
  for (const [part, count] of Object.entries(parts)) {
    for (const name of classes) {
      await mkdir(join(folder, part, name), { recursive: true });
      for (let i = 0; i < count; i++, seed++) {
        await writeFile(join(folder, part, name, `${i}.jpg`), jpegBytes(softNoise(height + i, width + 2 * i, seed)));
      }
    }
  }
}

/** Real images: Fashion-MNIST's, in a folder for each class, `size` pixels wide and high; the first `train` and the last `val` of the 10,000. */
export async function writeFashionFolder(folder: string, { train = 640, val = 200, size = 64 } = {}): Promise<void> {
  const { count, labels, pixels } = await fashionImages();
  const side = { height: size, width: size };
  for (const [part, from, to] of [
    ['train', 0, train],
    ['val', count - val, count],
  ] as const) {
    for (let sample = from; sample < to; sample++) {
      const grey = new Uint8Array(size * size);
      const own = { pixels, from: sample * 784, height: 28, width: 28, channels: 1 };
      resample(own, { of: { top: 0, left: 0, height: 28, width: 28 }, size: side, piece: { top: 0, left: 0, ...side } }, grey);
      const rgb = Uint8Array.from({ length: 3 * grey.length }, (_, i) => grey[Math.floor(i / 3)]!);
      const place = join(folder, part, `class-${labels[sample]}`);
      await mkdir(place, { recursive: true });
      await writeFile(join(place, `${sample}.jpg`), jpegBytes({ ...side, pixels: rgb }));
    }
  }
}

/** A recipe on the folder of `writeFashionFolder`: a teacher, and a student that it teaches. `training`: more keys of both stages. */
export function folderRecipe(folder: string, training: object = {}) {
  const normalise = { mean: [0.3, 0.3, 0.3], std: [0.35, 0.35, 0.35] };
  const stage = {
    ...{ kind: 'train', model: 'small', on: 'train', test: 'val', epochs: 2, batch: 16, evaluateEvery: 2, ...training },
    optimizer: { name: 'adam', rate: 0.003 },
    augment: { flip: true, resizedCrop: { scale: [0.6, 1] } },
  };
  return {
    name: 'folder',
    data: {
      ...{ format: 'folder', path: folder, image: { size: 28, resize: 30 }, normalise },
      splits: { train: { part: 'train' }, val: { part: 'val' } },
    },
    models: { small: { name: 'cnn-student' } },
    stages: {
      teacher: stage,
      student: { ...stage, kind: 'distil', teacher: 'teacher', loss: { temperature: 4, alpha: 0.9 } },
    },
  };
}
