/**
 * The idx format of MNIST and Fashion-MNIST, plain or gzip: big-endian headers, then bytes. Per part a file of images
 * [N, H, W] and a file of labels [N]. Layout: http://yann.lecun.com/exdb/mnist/
 *
 *   0  two zero bytes | 2  element type (0x08: unsigned byte) | 3  rank | 4  the axes, 32 bits each | then the elements
 */

import { present } from '../base/assert.js';
import { damaged, findFile, readExactly, readHead, requireBytes } from './data-file.js';
import type { PartSource, PartSummary, ResidentFormat } from './format.js';

/** The beginning of the names of a part's files, by part. */
const PREFIXES: Readonly<Record<string, string>> = { train: 'train', test: 't10k' };
const TYPE_UINT8 = 0x08;
const CLASSES = 10;
const CHANNELS = 1;
/** A header with a larger side counts as broken: no model here trains on such images. */
const SIDE_MAX = 1024;

export const idxFormat: ResidentFormat = {
  kind: 'resident',
  parts: Object.keys(PREFIXES),
  labelSets: ['fine'],
  channels: CHANNELS,

  async files(source) {
    const { images, labels } = await findFiles(source);
    return [images, labels];
  },

  async inspect(source) {
    return (await readHeaders(source)).summary;
  },

  async read(source) {
    const { images, labels, summary } = await readHeaders(source);
    const { count, height, width } = summary;
    const classOf = (await readExactly(labels.file, labels.bytes + count)).subarray(labels.bytes);
    const wrong = classOf.findIndex((label) => label >= CLASSES);
    if (wrong >= 0) {
      throw damaged(
        labels.file,
        labels.bytes + wrong,
        `label ${classOf[wrong]} of sample ${wrong} is not a class from 0 to ${CLASSES - 1}`,
      );
    }
    const pixels = (await readExactly(images.file, images.bytes + count * height * width)).subarray(images.bytes);
    const files = [images, labels].map(({ file }) => ({ file, samples: count }));
    return { ...summary, pixels, labels: Int32Array.from(classOf), files };
  },
};

interface IdxHeader {
  readonly file: string;
  readonly axes: readonly number[];
  /** The number of bytes of the header; the elements begin after it. */
  readonly bytes: number;
}

async function findFiles({ folder, part }: PartSource): Promise<{ images: string; labels: string }> {
  const find = (name: string) => findFile(folder, [name, `${name}.gz`]);
  const prefix = present(PREFIXES[part], part);
  return { images: await find(`${prefix}-images-idx3-ubyte`), labels: await find(`${prefix}-labels-idx1-ubyte`) };
}

async function readHeaders(source: PartSource): Promise<{ images: IdxHeader; labels: IdxHeader; summary: PartSummary }> {
  const { images: imageFile, labels: labelFile } = await findFiles(source);
  const images = await readHeader(imageFile, 3);
  const labels = await readHeader(labelFile, 1);
  const [count, height, width] = images.axes as [number, number, number];
  if (count === 0) throw damaged(imageFile, 4, 'holds no images');
  for (const [axis, side] of [height, width].entries()) {
    if (side === 0 || side > SIDE_MAX) throw damaged(imageFile, 8 + 4 * axis, `an image side of ${side} is not from 1 to ${SIDE_MAX}`);
  }
  if (labels.axes[0] !== count) throw damaged(labelFile, 4, `${labels.axes[0]} labels for the ${count} images of ${imageFile}`);
  await requireBytes(imageFile, images.bytes + count * height * width);
  await requireBytes(labelFile, labels.bytes + count);
  return { images, labels, summary: { count, height, width, channels: CHANNELS, classes: CLASSES } };
}

async function readHeader(file: string, rank: number): Promise<IdxHeader> {
  const bytes = 4 + 4 * rank;
  const head = await readHead(file, bytes);
  const magic = head.readUInt16BE(0);
  if (magic !== 0) throw damaged(file, 0, `is not idx: it starts with 0x${magic.toString(16).padStart(4, '0')} in place of two zero bytes`);
  if (head[2] !== TYPE_UINT8) throw damaged(file, 2, `element type 0x${head[2]?.toString(16)} is not 0x08, unsigned bytes`);
  if (head[3] !== rank) throw damaged(file, 3, `rank ${head[3]} is not ${rank}`);
  return { file, axes: Array.from({ length: rank }, (_, axis) => head.readUInt32BE(4 + 4 * axis)), bytes };
}
