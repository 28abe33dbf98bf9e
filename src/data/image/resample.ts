/**
 * Resizing with antialias: each pixel is the mean of the pixels under a triangle that is as wide as the image shrinks, as Pillow's `bilinear` has
 * it, to the bit. Rows first, then columns; weights and sums are whole numbers. (Of tall images Pillow 13 resizes the columns first, which makes a
 * difference of 1.)
 */

/** Bytes of an image: pixel (y, x, channel) is at `from` + (y * width + x) * channels + channel. */
export interface PixelBytes {
  readonly pixels: Uint8Array;
  readonly from: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Rows [top, top + height), columns [left, left + width). */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A part of an image, resized. */
export interface Resizing {
  /** The part, within the image. Nothing outside of it counts. */
  readonly of: Box;
  /** The size that it is given. */
  readonly size: { readonly height: number; readonly width: number };
  /** The piece of the result that is wanted, within that size. */
  readonly piece: Box;
}

/** The bits of weights behind the point: 255 times the sum of the weights fits into 32 bits. */
const BITS = 22;
const HALF = 1 << (BITS - 1);

/** Each place of the result: the first pixel that it comes from, and their weights. */
interface Weights {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [places, most]: those of a place from the front. */
  readonly weights: Int32Array;
  readonly most: number;
}

/** The weights of places [first, first + count) of `to`, to which `from` pixels are resized. */
function weightsOf(axis: { readonly from: number; readonly to: number; readonly first: number; readonly count: number }): Weights {
  const { from, to, first, count } = axis;
  const scale = from / to;
  const support = Math.max(1, scale);
  const most = Math.ceil(support) * 2 + 1;
  const [starts, counts] = [new Int32Array(count), new Int32Array(count)];
  const weights = new Int32Array(count * most);
  const shares = new Float64Array(most);
  for (let place = 0; place < count; place++) {
    const centre = (first + place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const length = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let i = 0; i < length; i++) {
      const share = Math.max(0, 1 - Math.abs((start + i - centre + 0.5) / support));
      shares[i] = share;
      sum += share;
    }
    for (let i = 0; i < length; i++) weights[place * most + i] = Math.trunc(0.5 + (shares[i]! / sum) * (1 << BITS));
    starts[place] = start;
    counts[place] = length;
  }
  return { starts, counts, weights, most };
}

/** Writes the piece, [piece.height, piece.width, channels], to the start of `out`. */
export function resample(image: PixelBytes, { of, size, piece }: Resizing, out: Uint8Array): void {
  const across = weightsOf({ from: of.width, to: size.width, first: piece.left, count: piece.width });
  const down = weightsOf({ from: of.height, to: size.height, first: piece.top, count: piece.height });
  const firstRow = down.starts[0]!;
  const rows = down.starts[piece.height - 1]! + down.counts[piece.height - 1]! - firstRow;
  const narrow = new Uint8Array(rows * piece.width * image.channels);
  resizeRows(image, { top: of.top + firstRow, left: of.left, rows, across, out: narrow });
  resizeColumns(narrow, { rowBytes: piece.width * image.channels, firstRow, down, out });
}

interface RowWork {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly across: Weights;
  readonly out: Uint8Array;
}

function resizeRows({ pixels, from, width, channels }: PixelBytes, { top, left, rows, across, out }: RowWork): void {
  const resizeRow = channels === 3 ? resizeRowOfThree : resizeRowOfAny;
  const bytes = across.starts.length * channels;
  for (let row = 0; row < rows; row++) {
    const line = pixels.subarray(from + ((top + row) * width + left) * channels);
    resizeRow(line, across, { channels, out: out.subarray(row * bytes, (row + 1) * bytes) });
  }
}

interface Row {
  readonly channels: number;
  readonly out: Uint8Array;
}

/** One pass for the three channels: several times as fast as {@link resizeRowOfAny}. */
function resizeRowOfThree(line: Uint8Array, { starts, counts, weights, most }: Weights, { out }: Row): void {
  for (let column = 0, to = 0; column < starts.length; column++, to += 3) {
    const first = column * most;
    const end = first + counts[column]!;
    let red = HALF;
    let green = HALF;
    let blue = HALF;
    for (let i = first, at = 3 * starts[column]!; i < end; i++, at += 3) {
      const weight = weights[i]!;
      red = (red + Math.imul(line[at]!, weight)) | 0;
      green = (green + Math.imul(line[at + 1]!, weight)) | 0;
      blue = (blue + Math.imul(line[at + 2]!, weight)) | 0;
    }
    out[to] = red >> BITS;
    out[to + 1] = green >> BITS;
    out[to + 2] = blue >> BITS;
  }
}

function resizeRowOfAny(line: Uint8Array, { starts, counts, weights, most }: Weights, { channels, out }: Row): void {
  let to = 0;
  for (let column = 0; column < starts.length; column++) {
    for (let channel = 0; channel < channels; channel++) {
      let sum = HALF;
      for (let i = 0, at = starts[column]! * channels + channel; i < counts[column]!; i++, at += channels) {
        sum += line[at]! * weights[column * most + i]!;
      }
      out[to++] = sum >> BITS;
    }
  }
}

interface ColumnWork {
  readonly rowBytes: number;
  /** The row of the part with which the narrow image begins. */
  readonly firstRow: number;
  readonly down: Weights;
  readonly out: Uint8Array;
}

/** The rows that are added up in one pass: enough for an image that is halved. */
const TOGETHER = 4;

function resizeColumns(narrow: Uint8Array, { rowBytes, firstRow, down, out }: ColumnWork): void {
  const { starts, counts, weights, most } = down;
  for (let row = 0; row < starts.length; row++) {
    const count = counts[row]!;
    const result = out.subarray(row * rowBytes, (row + 1) * rowBytes);
    // Beyond the last row its weight is 0.
    const line = (tap: number) => (starts[row]! - firstRow + Math.min(tap, count - 1)) * rowBytes;
    const weight = (tap: number) => (tap < count ? weights[row * most + tap]! : 0);
    const rowsFrom = (i: number): FourRows => [
      line(i),
      line(i + 1),
      line(i + 2),
      line(i + 3),
      weight(i),
      weight(i + 1),
      weight(i + 2),
      weight(i + 3),
    ];
    if (count <= TOGETHER) {
      mixRows(narrow, result, rowsFrom(0));
      continue;
    }
    const sums = new Int32Array(rowBytes).fill(HALF);
    for (let i = 0; i < count; i += TOGETHER) addRows(narrow, sums, rowsFrom(i));
    for (let at = 0; at < rowBytes; at++) result[at] = sums[at]! >> BITS;
  }
}

/** The first byte of each of four rows, then their weights. */
type FourRows = readonly [number, number, number, number, number, number, number, number];

/** The weighted mean of four rows. */
function mixRows(bytes: Uint8Array, result: Uint8Array, [a, b, c, d, u, v, w, x]: FourRows): void {
  for (let at = 0; at < result.length; at++) {
    const first = (HALF + Math.imul(bytes[a + at]!, u) + Math.imul(bytes[b + at]!, v)) | 0;
    result[at] = (first + Math.imul(bytes[c + at]!, w) + Math.imul(bytes[d + at]!, x)) >> BITS;
  }
}

/** Adds four rows times their weights. */
function addRows(bytes: Uint8Array, sums: Int32Array, [a, b, c, d, u, v, w, x]: FourRows): void {
  for (let at = 0; at < sums.length; at++) {
    const first = (sums[at]! + Math.imul(bytes[a + at]!, u) + Math.imul(bytes[b + at]!, v)) | 0;
    sums[at] = (first + Math.imul(bytes[c + at]!, w) + Math.imul(bytes[d + at]!, x)) | 0;
  }
}
