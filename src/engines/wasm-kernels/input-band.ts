/**
 * The part of the images that some rows of windows look at. Where windows reach beyond the image, it is copied into a frame of
 * zeros that is small enough for the processor's cache; else it is read in place. So the loops know no borders.
 * All sizes and addresses in bytes unless said otherwise. Images are [N, H, W, C].
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { FunctionCode } from './assembler.js';
import { loopModule } from './loop-module.js';

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

function copyRows() {
  const code = new FunctionCode(['from', 'to', 'rows', 'bytes', 'fromStep', 'toStep']);
  const { from, to, rows, bytes, fromStep, toStep } = code.parameters;
  code.repeat(rows, () => {
    code.copyBytes({ from, to, count: bytes });
    code.advance(from, fromStep);
    code.advance(to, toStep);
  });
  return code;
}

function clear() {
  const code = new FunctionCode(['to', 'bytes']);
  code.clearBytes(code.parameters.to, code.parameters.bytes);
  return code;
}

const loopsOn = loopModule({ copyRows: copyRows(), clear: clear() });

/** Sets `bytes` bytes to zero. */
export function clearMemory(backend: BackendWasm, to: number, bytes: number): void {
  loopsOn(backend).clear({ to, bytes });
}

/** The rows of windows [row, row + rows) on `samples` images from `first` on. */
export interface Band {
  readonly first: number;
  readonly samples: number;
  readonly row: number;
  readonly rows: number;
}

/** The band with the most samples and the most rows that will be asked for. */
export type BandSize = Pick<Band, 'samples' | 'rows'>;

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
    const { inHeight, inWidth, inChannels, strideHeight, top, left } = this.#windows;
    const start = band.row * strideHeight - top;
    if (this.frameCount === 0) return x + 4 * ((band.first * inHeight + start) * inWidth - left) * inChannels;
    for (let i = 0; i < band.samples; i++) {
      const image = x + 4 * (band.first + i) * inHeight * inWidth * inChannels;
      this.#copy(image, frame + i * this.imageStep, { start, rows: (band.rows - 1) * strideHeight + this.#windows.filterHeight });
    }
    return frame;
  }

  /** Rows [start, start + rows) of an image into the frame, zeros where there is no such row. */
  #copy(image: number, frame: number, { start, rows }: { start: number; rows: number }): void {
    const { inHeight, inWidth, inChannels, left } = this.#windows;
    const { copyRows, clear } = loopsOn(this.#backend);
    const width = this.rowStep / (4 * inChannels);
    const from = Math.min(rows, Math.max(0, -start));
    const to = Math.max(from, Math.min(rows, inHeight - start));
    const column = Math.max(0, left);
    const columns = Math.min(width, inWidth + left) - column;
    clear({ to: frame, bytes: from * this.rowStep });
    copyRows({
      from: image + 4 * ((start + from) * inWidth + column - left) * inChannels,
      to: frame + from * this.rowStep + 4 * column * inChannels,
      rows: columns > 0 ? to - from : 0,
      bytes: 4 * columns * inChannels,
      fromStep: 4 * inWidth * inChannels,
      toStep: this.rowStep,
    });
    clear({ to: frame + to * this.rowStep, bytes: (rows - to) * this.rowStep });
  }
}
