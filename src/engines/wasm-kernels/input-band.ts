/**
 * The part of the images that some rows of windows look at. Where windows reach beyond the image, it is copied into a frame of
 * zeros that is small enough for the processor's cache; else it is read in place. So the loops know no borders.
 * All sizes and addresses in bytes unless said otherwise. Images are [N, H, W, C].
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { clearMemory, copyRunsOn } from './memory-loop.js';

/** Where windows lie on images. `top` and `left`: zeros before the first row and column; less than zero: so many are left out. */
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

/** The rows of windows [row, row + rows) on `samples` images from `first` on. */
export interface Band {
  readonly first: number;
  readonly samples: number;
  readonly row: number;
  readonly rows: number;
}

/** The most samples and rows of a band. More than one sample means all rows. */
export type BandSize = Pick<Band, 'samples' | 'rows'>;

/** Bands of at most `mostRows` rows, at least one: some rows of one sample, or all rows of some. */
export function bandSize({ batch, outHeight }: Pick<Windows, 'batch' | 'outHeight'>, mostRows: number): BandSize {
  if (mostRows < outHeight) return { samples: 1, rows: Math.max(1, mostRows) };
  return { samples: Math.min(batch, Math.floor(mostRows / outHeight)), rows: outHeight };
}

/** All bands, in the order of the images. */
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
  /** From one row of the input to the next, and from one image to the next, in what `read` gives. */
  readonly rowStep: number;
  readonly imageStep: number;
  /** Numbers that the frame needs; 0 if there is none. */
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

  /** The frame must be cleared once before the first band: what lies left and right of the image is never written. */
  clear(frame: number): void {
    if (this.frameCount > 0) clearMemory(this.#backend, frame, 4 * this.frameCount);
  }

  /** Where the first window of the band begins. `x`: where the images begin. */
  read(x: number, frame: number, band: Band): number {
    const { inHeight, inWidth, inChannels, strideHeight, filterHeight, outHeight, top, left } = this.#windows;
    const image = x + 4 * band.first * inHeight * inWidth * inChannels;
    const start = band.row * strideHeight - top;
    if (this.frameCount === 0) return image + 4 * (start * inWidth - left) * inChannels;
    const rows = (band.rows - 1) * strideHeight + filterHeight;
    // Rows of the frame before and after those of the image. Of whole images they lie where they always lie, and are zeros.
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
