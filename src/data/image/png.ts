/**
 * PNG to RGB (ISO/IEC 15948): all colour types, depths and both orders of rows. Node's zlib unpacks. Transparency is left out, and of 16
 * bits the upper 8 count, as Pillow has it for colours.
 */

import { inflateSync } from 'node:zlib';
import { hasCode, messageOf } from '../../errors/stillhouse-error.js';
import { crc32 } from '../crc32.js';
import { damaged } from '../data-file.js';
import { CODED_BYTES_MAX, PIXELS_MAX, type RgbImage } from './rgb-image.js';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const TYPE = { grey: 0, rgb: 2, palette: 3, greyAlpha: 4, rgbAlpha: 6 } as const;
/** By colour type: the values of a pixel, and the depths that it may have. */
const LAYOUTS: Readonly<Record<number, { readonly values: number; readonly depths: readonly number[] }>> = {
  [TYPE.grey]: { values: 1, depths: [1, 2, 4, 8, 16] },
  [TYPE.rgb]: { values: 3, depths: [8, 16] },
  [TYPE.palette]: { values: 1, depths: [1, 2, 4, 8] },
  [TYPE.greyAlpha]: { values: 2, depths: [8, 16] },
  [TYPE.rgbAlpha]: { values: 4, depths: [8, 16] },
};
/** The passes of Adam7: the first row and column of each, and the steps to the next. */
const PASSES = [
  [0, 0, 8, 8],
  [0, 4, 8, 8],
  [4, 0, 8, 4],
  [0, 2, 4, 4],
  [2, 0, 4, 2],
  [0, 1, 2, 2],
  [1, 0, 2, 1],
] as const;
const WHOLE = [[0, 0, 1, 1]] as const;

interface PngHeader {
  readonly height: number;
  readonly width: number;
  readonly depth: number;
  readonly type: number;
  readonly values: number;
  readonly isInterlaced: boolean;
}

interface PngContent {
  readonly header: PngHeader;
  /** [K, 3]; empty where there is none. */
  readonly palette: Uint8Array;
  /** The compressed rows, and the byte of the file at which they begin. */
  readonly packed: Uint8Array;
  readonly packedAt: number;
}

/** Whether the bytes begin as a PNG file does. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/** Decodes a file that begins as PNG does. Throws data.damaged. */
export function decodePng(file: string, bytes: Uint8Array): RgbImage {
  const content = readChunks(file, bytes);
  const { header } = content;
  const { height, width, depth, values } = header;
  const passes = (header.isInterlaced ? PASSES : WHOLE).map(([top, left, down, right]) => ({
    ...{ top, left, down, right },
    rows: Math.ceil((height - top) / down),
    columns: Math.ceil((width - left) / right),
  }));
  const filled = passes.filter(({ rows, columns }) => rows > 0 && columns > 0);
  const rowBytes = (columns: number) => Math.ceil((columns * depth * values) / 8);
  const expected = filled.reduce((sum, { rows, columns }) => sum + rows * (1 + rowBytes(columns)), 0);
  const rows = unpack(file, content, expected);
  const pixels = new Uint8Array(height * width * 3);
  const painter = painterOf(file, content);
  const step = Math.max(1, (depth * values) >> 3);
  let at = 0;
  for (const pass of filled) {
    const bytes = rowBytes(pass.columns);
    let above: Uint8Array = new Uint8Array(bytes);
    for (let row = 0; row < pass.rows; row++) {
      const line = rows.subarray(at + 1, at + 1 + bytes);
      const filter = rows[at]!;
      if (filter > 4) throw damaged(file, content.packedAt, `row ${row} has the filter ${filter}, which does not exist`);
      undoFilter(filter, { line, above, step });
      const to = ((pass.top + row * pass.down) * width + pass.left) * 3;
      painter(line, pixels, { to, columns: pass.columns, stride: 3 * pass.right });
      above = line;
      at += 1 + bytes;
    }
  }
  return { height, width, pixels, isDoubtful: false };
}

/** Checks the chunks of a file that begins as PNG does, and unpacks no row. Throws data.damaged. */
export function checkPng(file: string, bytes: Uint8Array): void {
  readChunks(file, bytes);
}

function readChunks(file: string, bytes: Uint8Array): PngContent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: PngHeader | null = null;
  let palette = new Uint8Array();
  const packed: Uint8Array[] = [];
  let packedAt = 0;
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 8 + length;
    if (end + 4 > bytes.length) break;
    const content = bytes.subarray(at + 8, end);
    if (header === null && name !== 'IHDR') throw damaged(file, at, 'its first chunk is not its header');
    // The rows have a checksum of their own.
    if (name !== 'IDAT' && isCritical(name) && crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw damaged(file, at, `the checksum of its chunk ${name} is wrong`);
    }
    if (name === 'IHDR') header = readHeader(file, content);
    else if (name === 'PLTE') palette = content.slice(0, content.length - (content.length % 3));
    else if (name === 'IDAT') {
      if (packed.length === 0) packedAt = at;
      packed.push(content);
    } else if (name === 'IEND') {
      if (header === null || packed.length === 0) throw damaged(file, at, 'is a PNG file without an image');
      return { header, palette, packed: packed.length === 1 ? packed[0]! : Buffer.concat(packed), packedAt };
    } else if (isCritical(name)) throw damaged(file, at, `has a chunk ${JSON.stringify(name)}, which no PNG file has`);
    at = end + 4;
  }
  throw damaged(file, bytes.length, 'cut short: it ends before its last chunk');
}

/** Whether an image cannot be read without knowing the chunk: its name begins with a capital. */
function isCritical(name: string): boolean {
  return (name.charCodeAt(0) & 0x20) === 0;
}

function readHeader(file: string, content: Uint8Array): PngHeader {
  const at = SIGNATURE.length + 8;
  if (content.length !== 13) throw damaged(file, at, `its header has ${content.length} bytes, not 13`);
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, type, packing, filtering, order] = content.subarray(8) as unknown as [number, number, number, number, number];
  if (height === 0 || width === 0) throw damaged(file, at, `its size is ${width} x ${height}`);
  if (height * width > PIXELS_MAX)
    throw damaged(file, at, `its size is ${width} x ${height}, more than ${PIXELS_MAX / 1e6} million pixels`);
  const layout = LAYOUTS[type];
  if (!layout?.depths.includes(depth)) throw damaged(file, at + 8, `colour type ${type} with ${depth} bits is none of PNG's`);
  const rows = (height * width * layout.values * depth) / 8;
  if (rows > CODED_BYTES_MAX)
    throw damaged(file, at, `its rows would have ${Math.ceil(rows / 1e6)} million bytes, more than ${CODED_BYTES_MAX / 1e6} million`);
  if (packing !== 0 || filtering !== 0 || order > 1) throw damaged(file, at + 10, 'its packing is none of PNG’s');
  return { height, width, depth, type, values: layout.values, isInterlaced: order === 1 };
}

/** The rows of all passes, each after the number of its filter. */
function unpack(file: string, { packed, packedAt }: PngContent, expected: number): Uint8Array {
  try {
    const rows = inflateSync(packed, { maxOutputLength: expected });
    if (rows.length === expected) return rows;
    throw damaged(file, packedAt, `cut short: its rows have ${rows.length} bytes, of ${expected}`);
  } catch (error) {
    if (hasCode(error, 'ERR_BUFFER_TOO_LARGE')) throw damaged(file, packedAt, `its rows have more than the ${expected} bytes of its size`);
    if (hasCode(error, 'data.damaged')) throw error;
    throw damaged(file, packedAt, `its rows cannot be unpacked: ${messageOf(error)}`);
  }
}

interface FilteredRow {
  /** It is changed into the row itself. */
  readonly line: Uint8Array;
  /** The row before, or zeros. */
  readonly above: Uint8Array;
  /** The bytes from a pixel to the next one. */
  readonly step: number;
}

function undoFilter(filter: number, { line, above, step }: FilteredRow): void {
  const length = line.length;
  if (filter === 1) for (let i = step; i < length; i++) line[i] = line[i]! + line[i - step]!;
  else if (filter === 2) for (let i = 0; i < length; i++) line[i] = line[i]! + above[i]!;
  else if (filter === 3) for (let i = 0; i < length; i++) line[i] = line[i]! + (((i < step ? 0 : line[i - step]!) + above[i]!) >> 1);
  else if (filter === 4) {
    for (let i = 0; i < length; i++) {
      const [left, corner] = i < step ? [0, 0] : [line[i - step]!, above[i - step]!];
      line[i] = line[i]! + paeth(left, above[i]!, corner);
    }
  }
}

/** The one of the three that is nearest to left + up - corner. */
function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (toLeft <= toUp && toLeft <= toCorner) return left;
  return toUp <= toCorner ? up : corner;
}

/** Columns of a pass, in the image's bytes: the first one, their number, and the bytes from one to the next. */
interface RowPlace {
  readonly to: number;
  readonly columns: number;
  readonly stride: number;
}

type Painter = (line: Uint8Array, pixels: Uint8Array, place: RowPlace) => void;

function painterOf(file: string, { header, palette, packedAt }: PngContent): Painter {
  const { depth, type, values } = header;
  const bytes = depth === 16 ? 2 : 1;
  if (type === TYPE.rgb || type === TYPE.rgbAlpha) {
    return (line, pixels, { to, columns, stride }) => {
      for (let column = 0, from = 0, at = to; column < columns; column++, from += values * bytes, at += stride) {
        pixels[at] = line[from]!;
        pixels[at + 1] = line[from + bytes]!;
        pixels[at + 2] = line[from + 2 * bytes]!;
      }
    };
  }
  const colours = type === TYPE.palette ? palette : greys(depth);
  const perByte = 8 / Math.min(8, depth);
  const mask = (1 << Math.min(8, depth)) - 1;
  return (line, pixels, { to, columns, stride }) => {
    for (let column = 0, at = to; column < columns; column++, at += stride) {
      const value =
        perByte === 1
          ? line[column * values * bytes]!
          : (line[Math.floor(column / perByte)]! >> (8 - depth * ((column % perByte) + 1))) & mask;
      if (3 * value >= colours.length) throw damaged(file, packedAt, `a pixel has colour ${value} of a palette of ${colours.length / 3}`);
      pixels[at] = colours[3 * value]!;
      pixels[at + 1] = colours[3 * value + 1]!;
      pixels[at + 2] = colours[3 * value + 2]!;
    }
  };
}

/** [K, 3]: black to white, for each value of a depth. */
function greys(depth: number): Uint8Array {
  const most = (1 << Math.min(8, depth)) - 1;
  return Uint8Array.from({ length: 3 * (most + 1) }, (_, i) => Math.round((Math.floor(i / 3) * 255) / most));
}
