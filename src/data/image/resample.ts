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
  const { starts, counts, weights, most } = across;
  const columns = starts.length;
  let to = 0;
  for (let row = 0; row < rows; row++) {
    const line = from + ((top + row) * width + left) * channels;
    for (let column = 0; column < columns; column++) {
      const count = counts[column]!;
      const weight = column * most;
      const start = line + starts[column]! * channels;
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF;
        for (let i = 0, at = start + channel; i < count; i++, at += channels) sum += pixels[at]! * weights[weight + i]!;
        out[to++] = sum >> BITS;
      }
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

function resizeColumns(narrow: Uint8Array, { rowBytes, firstRow, down, out }: ColumnWork): void {
  const { starts, counts, weights, most } = down;
  const sums = new Int32Array(rowBytes);
  for (let row = 0; row < starts.length; row++) {
    sums.fill(HALF);
    for (let i = 0; i < counts[row]!; i++) {
      const weight = weights[row * most + i]!;
      const line = (starts[row]! - firstRow + i) * rowBytes;
      for (let at = 0; at < rowBytes; at++) sums[at] = sums[at]! + narrow[line + at]! * weight;
    }
    const to = row * rowBytes;
    for (let at = 0; at < rowBytes; at++) out[to + at] = sums[at]! >> BITS;
  }
}
