/**
 * The binary layout that CIFAR-10 and CIFAR-100 share: records without header or gap, each some label bytes, then
 * 32 x 32 pixels in planes (all red, all green, all blue), which become [H, W, C]. Layout:
 * https://www.cs.toronto.edu/~kriz/cifar.html
 *
 * A file does not say how many records it has, so a file that is cut between two records looks whole. But the sizes of the
 * published sets are known: when at least half of the files in a folder have the published size, the folder counts as the
 * published set, and every file must have its size.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '../base/assert.js';
import { damaged, fileBytes, findFile, readExactly } from './data-file.js';
import type { PartSource, ResidentFormat } from './format.js';
import { sharedBytes } from './resident-source.js';

const SIDE = 32;
const CHANNELS = 3;
const PLANE = SIDE * SIDE;
const IMAGE_BYTES = PLANE * CHANNELS;

export interface CifarLayout {
  /** The files of each part in order, with the records that each has in the published set. */
  readonly files: Readonly<Record<string, readonly PublishedFile[]>>;
  /** The label bytes of a record, in order: the set of labels of each, the number of its classes, at most 256, and the file beside the images that has their names, a line each. */
  readonly labels: readonly { readonly set: string; readonly classes: number; readonly names: string }[];
}

interface PublishedFile {
  readonly name: string;
  readonly records: number;
}

/** A reader for one layout. */
export function cifarFormat(layout: CifarLayout): ResidentFormat {
  return {
    kind: 'resident',
    parts: Object.keys(layout.files),
    labelSets: layout.labels.map(({ set }) => set),
    channels: CHANNELS,

    async classNames({ folder, labels }) {
      const { names: file, classes } = present(
        layout.labels.find(({ set }) => set === labels),
        labels,
      );
      const text = await readFile(join(folder, file), 'utf8').catch(() => '');
      const names = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
      return names.length === classes ? names : null;
    },

    async files(source) {
      return (await findFiles(layout, source)).map(({ file }) => file);
    },

    async inspect(source) {
      const files = await measureFiles(layout, source);
      const { classes } = layout.labels.find(({ set }) => set === source.labels)!;
      return { count: files.reduce((sum, { records }) => sum + records, 0), height: SIDE, width: SIDE, channels: CHANNELS, classes };
    },

    async read(source) {
      const files = await measureFiles(layout, source);
      const chosen = layout.labels.findIndex(({ set }) => set === source.labels);
      const count = files.reduce((sum, { records }) => sum + records, 0);
      const pixels = sharedBytes(count * IMAGE_BYTES);
      const labels = new Int32Array(count);
      let sample = 0;
      for (const { file, records } of files) {
        const content = await readExactly(file, records * recordBytes(layout));
        checkLabels(layout, file, content);
        for (let record = 0; record < records; record++, sample++) {
          const start = record * recordBytes(layout);
          labels[sample] = content[start + chosen]!;
          interleave({ content, from: start + layout.labels.length, pixels, to: sample * IMAGE_BYTES });
        }
      }
      const shape = { height: SIDE, width: SIDE, channels: CHANNELS, classes: layout.labels[chosen]!.classes };
      return { ...shape, count, pixels, labels, files: files.map(({ file, records }) => ({ file, samples: records })) };
    },
  };
}

function recordBytes(layout: CifarLayout): number {
  return layout.labels.length + IMAGE_BYTES;
}

/** The part's files, with the records that each has in the published set. */
async function findFiles(layout: CifarLayout, { folder, part }: PartSource): Promise<{ file: string; expected: number }[]> {
  const found: { file: string; expected: number }[] = [];
  for (const { name, records } of present(layout.files[part], part))
    found.push({ file: await findFile(folder, [name]), expected: records });
  return found;
}

/** The part's files and their records, by size. */
async function measureFiles(layout: CifarLayout, source: PartSource): Promise<{ file: string; records: number }[]> {
  const published = await isPublishedSet(layout, source.folder);
  const measured: { file: string; records: number }[] = [];
  for (const { file, expected } of await findFiles(layout, source)) {
    const bytes = await fileBytes(file);
    const whole = Math.floor(bytes / recordBytes(layout));
    if (bytes === 0) throw damaged(file, 0, 'is empty');
    if (bytes !== whole * recordBytes(layout)) {
      throw damaged(
        file,
        whole * recordBytes(layout),
        `its last record has ${bytes - whole * recordBytes(layout)} of ${recordBytes(layout)} bytes`,
      );
    }
    if (published && whole !== expected) {
      const edge = Math.min(whole, expected) * recordBytes(layout);
      throw damaged(file, edge, `${whole} records, where the published set, whose sizes the other files have, has ${expected}`);
    }
    measured.push({ file, records: whole });
  }
  return measured;
}

async function isPublishedSet(layout: CifarLayout, folder: string): Promise<boolean> {
  let found = 0;
  let published = 0;
  for (const { name, records } of Object.values(layout.files).flat()) {
    const file = await findFile(folder, [name]).catch(() => null);
    if (file === null) continue;
    found++;
    if ((await fileBytes(file)) === records * recordBytes(layout)) published++;
  }
  return published > 0 && 2 * published >= found;
}

function checkLabels(layout: CifarLayout, file: string, content: Uint8Array): void {
  for (let start = 0; start < content.length; start += recordBytes(layout)) {
    for (const [place, { set, classes }] of layout.labels.entries()) {
      const label = content[start + place]!;
      if (label < classes) continue;
      const record = start / recordBytes(layout);
      throw damaged(file, start + place, `${set} label ${label} of record ${record} is not a class from 0 to ${classes - 1}`);
    }
  }
}

interface PlaneJob {
  /** The file's bytes; the image's planes begin at byte `from`. */
  readonly content: Uint8Array;
  readonly from: number;
  /** Gets the image as [H, W, C], from byte `to` on. */
  readonly pixels: Uint8Array;
  readonly to: number;
}

/** Turns the planes of one image into pixels. */
function interleave({ content, from, pixels, to }: PlaneJob): void {
  for (let channel = 0; channel < CHANNELS; channel++) {
    let write = to + channel;
    const plane = from + channel * PLANE;
    for (let read = plane; read < plane + PLANE; read++, write += CHANNELS) pixels[write] = content[read]!;
  }
}
