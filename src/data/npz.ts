/**
 * The format `npz`: NumPy archives with an array of images [N, H, W] or [N, H, W, C] of uint8, and one of labels [N] or [N, 1] of whole numbers. A part is an
 * archive PART.npz in a folder; or, where `data.path` is an archive itself, the arrays of that part's name in it.
 */

import { basename, dirname } from 'node:path';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { findFile } from './data-file.js';
import { type PartSource, type PartSummary, partsNamed, type ResidentFormat } from './format.js';
import { type LabelledClasses, LabelTable } from './label-table.js';
import { dtypeName } from './npy-header.js';
import { type NpyArray, NpzFile } from './npz-file.js';
import { sharedBytes } from './resident-source.js';

const ARCHIVE = '.npz';
/** A larger side counts as broken, as in idx: no model here trains on such images. */
const SIDE_MAX = 1024;
/** Grey, grey with transparency, RGB, RGB with transparency. More of them are an axis at another place. */
const CHANNELS_MAX = 4;

export const npzFormat: ResidentFormat = {
  kind: 'resident',
  parts: partsNamed('the name of an archive in data.path, such as train for train.npz, or of arrays of the archive that data.path is'),
  labelSets: ['fine'],
  channels: null,
  settings: ['classes', 'npz'],

  async files(source) {
    return [(await locate(source)).file];
  },

  async inspect(source) {
    return withArchive(source, async ({ images, labels }) => summaryOf(images, await readLabels(labels, images, source)));
  },

  async read(source) {
    return withArchive(source, async ({ file, images, labels }) => {
      const classes = await readLabels(labels, images, source);
      const summary = summaryOf(images, classes);
      const pixels = roomFor(file, images.bytes);
      await images.read(pixels);
      return { ...summary, pixels, labels: classes.labels, files: [{ file, samples: summary.count }] };
    });
  },
};

interface Location {
  readonly file: string;
  /** The names of the arrays. */
  readonly images: string;
  readonly labels: string;
}

async function locate({ folder, part, npz = {} }: PartSource): Promise<Location> {
  const isArchive = folder.endsWith(ARCHIVE);
  const file = isArchive ? await findFile(dirname(folder), [basename(folder)]) : await findFile(folder, [`${part}${ARCHIVE}`]);
  const prefix = isArchive ? '{part}_' : '';
  const { images = `${prefix}images`, labels = `${prefix}labels` } = npz;
  return { file, images: images.replaceAll('{part}', part), labels: labels.replaceAll('{part}', part) };
}

interface OpenArchive {
  readonly file: string;
  readonly images: NpyArray;
  readonly labels: NpyArray;
}

async function withArchive<T>(source: PartSource, work: (archive: OpenArchive) => Promise<T>): Promise<T> {
  const { file, images, labels } = await locate(source);
  const archive = await NpzFile.open(file);
  try {
    return await work({ file, images: checkImages(await archive.array(images)), labels: await archive.array(labels) });
  } finally {
    archive.close();
  }
}

/** Throws data.damaged unless the array is one of images. */
function checkImages(array: NpyArray): NpyArray {
  const { descr, fortranOrder, shape } = array.header;
  const shown = `(${shape.join(', ')})`;
  if (descr !== '|u1') {
    const hint = 'Images are bytes from 0 to 255: convert them, as in images.astype(numpy.uint8)';
    throw array.fault(0, `has elements of ${dtypeName(descr)}, not uint8`, hint);
  }
  if (fortranOrder) throw array.fault(0, 'is in Fortran order', 'Save numpy.ascontiguousarray(images)');
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  const hint =
    'Images have the shape [N, H, W], or [N, H, W, C] with the channels last: for channels in front, save images.transpose(0, 2, 3, 1)';
  if (shape.length !== 3 && shape.length !== 4) throw array.fault(0, `has the shape ${shown}`, hint);
  if (count === 0) throw array.fault(0, `holds no images: its shape is ${shown}`);
  if (channels === 0 || channels > CHANNELS_MAX) throw array.fault(0, `has ${channels} channels: its shape is ${shown}`, hint);
  for (const side of [height, width]) {
    if (side === 0 || side > SIDE_MAX) throw array.fault(0, `an image side of ${side} is not from 1 to ${SIDE_MAX}: its shape is ${shown}`);
  }
  requireElements(array, count * height * width * channels);
  return array;
}

/** Throws data.damaged unless the member has so many bytes after its header. */
function requireElements(array: NpyArray, bytes: number): void {
  const { shape, bytes: headerBytes } = array.header;
  if (array.bytes === bytes) return;
  const what = array.bytes < bytes ? 'cut short' : 'there are bytes after its elements';
  throw array.fault(
    headerBytes + Math.min(bytes, array.bytes),
    `${what}: the shape (${shape.join(', ')}) has ${bytes} bytes, and there are ${array.bytes}`,
  );
}

function summaryOf({ header: { shape } }: NpyArray, { classes }: LabelledClasses): PartSummary {
  const [count, height, width, channels = 1] = shape as [number, number, number, number?];
  return { count, height, width, channels, classes };
}

function roomFor(file: string, bytes: number): Uint8Array<SharedArrayBuffer> {
  try {
    return sharedBytes(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new StillhouseError('system.failed', `there is no memory for its images: ${Math.ceil(bytes / 2 ** 30)} GiB`, {
      file,
      cause,
      hint: 'Write them as image files, in folders, with a CSV file or in tar shards, which are read while they are used',
    });
  }
}

/** Reads the elements of this type: the reader, and the bytes of one. */
const READERS: Readonly<Record<string, readonly [(view: DataView, at: number, isLittle: boolean) => number | bigint, number]>> = {
  u1: [(view, at) => view.getUint8(at), 1],
  i1: [(view, at) => view.getInt8(at), 1],
  u2: [(view, at, isLittle) => view.getUint16(at, isLittle), 2],
  i2: [(view, at, isLittle) => view.getInt16(at, isLittle), 2],
  u4: [(view, at, isLittle) => view.getUint32(at, isLittle), 4],
  i4: [(view, at, isLittle) => view.getInt32(at, isLittle), 4],
  u8: [(view, at, isLittle) => view.getBigUint64(at, isLittle), 8],
  i8: [(view, at, isLittle) => view.getBigInt64(at, isLittle), 8],
};

async function readLabels(array: NpyArray, images: NpyArray, { classes }: PartSource): Promise<LabelledClasses> {
  const { descr, shape, fortranOrder, bytes: start } = array.header;
  const shown = `(${shape.join(', ')})`;
  const [, order, type = ''] = /^([<>|])([ui][1248])$/.exec(descr) ?? [];
  const [read, size] = READERS[type] ?? [];
  if (read === undefined || size === undefined) {
    throw array.fault(
      0,
      `has elements of ${dtypeName(descr)}, not whole numbers`,
      'Labels are of an integer type: convert them, as in labels.astype(numpy.int64)',
    );
  }
  const [count = 0, columns = 1] = shape;
  if (shape.length === 0 || shape.length > 2 || columns !== 1 || (fortranOrder && shape.length > 1)) {
    throw array.fault(0, `has the shape ${shown}`, 'Labels have the shape [N] or [N, 1], a class for each image');
  }
  const expected = images.header.shape[0];
  if (count !== expected) throw array.fault(0, `has ${count} labels for ${expected} images`);
  requireElements(array, count * size);
  const elements = new Uint8Array(array.bytes);
  await array.read(elements);
  const view = new DataView(elements.buffer);
  const table = new LabelTable({ areNumbers: true });
  try {
    for (let i = 0; i < count; i++) table.add(String(read(view, i * size, order !== '>')), { offset: start + i * size });
    return table.classes(classes);
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw array.fault(error.details.offset ?? 0, error.what, error.details.hint);
  }
}
