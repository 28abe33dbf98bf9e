/**
 * The band of the images that some rows of windows cover. Where windows reach beyond the image, the band is copied into a
 * frame of zeros that is small enough for the processor's cache; otherwise it is read in place. So the loops need no code
 * for borders. Images are float32 [N, H, W, C]. Addresses and steps are in bytes.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { clearMemory, copyRunsOn } from './memory-loop.js';

/**
 * The positions of windows on images, in pixels. `top` and `left` are the zeros before the first row and column; a negative
 * number is the number of rows or columns that are skipped.
 */
export interface Windows {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly filterHeight: number;
  readonly filterWidth: number;
  readonly strideHeight: number;
  readonly strideWidth: number;
  readonly top: number;
  readonly left: number;
}

/** The rows of windows [row, row + rows) on the images [first, first + samples). */
export interface Band {
  readonly first: number;
  readonly samples: number;
  readonly row: number;
  readonly rows: number;
}

/** The maximum of samples and rows of windows in a band. A band of several samples has all their rows. */
export type BandSize = Pick<Band, 'samples' | 'rows'>;

/** Chooses bands of at most `mostRows` rows of windows, and at least one: some rows of one sample, or all rows of some samples. */
export function bandSize({ batch, outHeight }: Pick<Windows, 'batch' | 'outHeight'>, mostRows: number): BandSize {
  if (mostRows < outHeight) return { samples: 1, rows: Math.max(1, mostRows) };
  return { samples: Math.min(batch, Math.floor(mostRows / outHeight)), rows: outHeight };
}

/** Lists all bands, in the order of the images. */
export function bandsOf({ batch, outHeight }: Pick<Windows, 'batch' | 'outHeight'>, { samples, rows }: BandSize): Band[] {
  const bands: Band[] = [];
  for (let first = 0; first < batch; first += samples) {
    for (let row = 0; row < outHeight; row += rows) {
      bands.push({ first, samples: Math.min(samples, batch - first), row, rows: Math.min(rows, outHeight - row) });
    }
  }
  return bands;
}

export class InputBands {
  /** The bytes from one row of the input to the next, and from one image to the next, at the address that `read` answers. */
  readonly rowStep: number;
  readonly imageStep: number;
  /** The size of the frame in float32 numbers; 0 when the images are read in place. */
  readonly frameCount: number;
  readonly #windows: Windows;
  readonly #backend: BackendWasm;

  constructor(backend: BackendWasm, windows: Windows, { samples, rows }: BandSize) {
    const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth, strideHeight, strideWidth, top, left } = windows;
    this.#backend = backend;
    this.#windows = windows;
    const right = (outWidth - 1) * strideWidth + filterWidth - left;
    const bottom = (outHeight - 1) * strideHeight + filterHeight - top;
    const framed = top > 0 || left > 0 || right > inWidth || bottom > inHeight;
    const width = framed ? right + left : inWidth;
    const height = framed ? (rows - 1) * strideHeight + filterHeight : inHeight;
    this.rowStep = 4 * width * inChannels;
    this.imageStep = height * this.rowStep;
    this.frameCount = framed ? (samples * this.imageStep) / 4 : 0;
  }

  /** Clears the frame. Call it once before the first band: `read` never writes the margins left and right of the image. */
  clear(frame: number): void {
    if (this.frameCount > 0) clearMemory(this.#backend, frame, 4 * this.frameCount);
  }

  /** Makes the band readable and answers the address of its first window. `x` is the address of the images, `frame` that of the frame. */
  read(x: number, frame: number, band: Band): number {
    const { inHeight, inWidth, inChannels, strideHeight, filterHeight, outHeight, top, left } = this.#windows;
    const image = x + 4 * band.first * inHeight * inWidth * inChannels;
    const start = band.row * strideHeight - top;
    if (this.frameCount === 0) return image + 4 * (start * inWidth - left) * inChannels;
    const rows = (band.rows - 1) * strideHeight + filterHeight;
    // The frame's rows [from, to) get rows of the image; the others must be zeros. In bands of whole images the others are
    // the same in every band, and stay zeros.
    const from = Math.min(rows, Math.max(0, -start));
    const to = Math.max(from, Math.min(rows, inHeight - start));
    if (band.rows < outHeight) {
      clearMemory(this.#backend, frame, from * this.rowStep);
      clearMemory(this.#backend, frame + to * this.rowStep, (rows - to) * this.rowStep);
    }
    const column = Math.max(0, left);
    const columns = Math.max(0, Math.min(this.rowStep / (4 * inChannels), inWidth + left) - column);
    const fromStep = 4 * inWidth * inChannels;
    copyRunsOn(this.#backend)({
      from: image + (start + from) * fromStep + 4 * (column - left) * inChannels,
      to: frame + from * this.rowStep + 4 * column * inChannels,
      images: band.samples,
      rows: to - from,
      bytes: 4 * columns * inChannels,
      fromImage: inHeight * fromStep,
      toImage: this.imageStep,
      fromRow: fromStep,
      toRow: this.rowStep,
    });
    return frame;
  }
}
