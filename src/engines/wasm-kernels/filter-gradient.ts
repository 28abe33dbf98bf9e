/**
 * The common part of the gradients of a convolution for its filter, plain or depthwise: the walk over bands of the images,
 * each small enough for the processor's first-level cache; a loop's walk over images and rows; and adding its sums to dw.
 * Legend: x_NHWC input, dy gradient of the output.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type FunctionCode, type Local, moving } from './assembler.js';
import { type Block, offsetsOf } from './column-block.js';
import type { ConvolutionInfo } from './convolution-info.js';
import { type Band, bandSize, bandsOf, InputBands, type Windows } from './input-band.js';
import { addressOf, withScratch } from './loop-module.js';
import { clearMemory } from './memory-loop.js';

/** Bytes of x and dy in one band. */
const BAND_BYTES = 2 ** 15;

export interface BandWork {
  readonly info: ConvolutionInfo;
  readonly bands: InputBands;
  readonly band: Band;
  /** Addresses of the band's first window in x, of its first pixel in dy, and of dw. */
  readonly x: number;
  readonly dy: number;
  readonly dw: number;
}

export interface FilterGradientOptions {
  readonly x: tf.TensorInfo;
  readonly dy: tf.TensorInfo;
  readonly info: ConvolutionInfo;
  /** The windows on x. */
  readonly windows: Windows;
  /** Adds the band's part to dw. */
  addBand(backend: BackendWasm, work: BandWork): void;
}

/** Computes dw, band by band. The caller owns dw and the inputs. */
export function sumOverBands(backend: BackendWasm, { x, dy, info, windows, addBand }: FilterGradientOptions): tf.TensorInfo {
  const { outHeight, outWidth, outChannels, strideHeight, strideWidth } = info;
  const dw = backend.makeOutput([...info.filterShape], 'float32');
  const to = addressOf(backend, dw);
  clearMemory(backend, to, 4 * tf.util.sizeFromShape(dw.shape));
  const rowBytes = 4 * outWidth * (outChannels + windows.inChannels * strideHeight * strideWidth);
  const size = bandSize(windows, Math.floor(BAND_BYTES / rowBytes));
  const bands = new InputBands(backend, windows, size);
  withScratch(backend, bands.frameCount, (frame) => {
    bands.clear(frame);
    for (const band of bandsOf(windows, size)) {
      const from = addressOf(backend, dy) + 4 * (band.first * outHeight + band.row) * outWidth * outChannels;
      addBand(backend, { info, bands, band, x: bands.read(addressOf(backend, x), frame, band), dy: from, dw: to });
    }
  });
  return dw;
}

/** The parameters of a loop's walk: the numbers of images, rows and pixels, and the steps from one to the next, in bytes. */
export const WALK = ['images', 'rows', 'pixels', 'xImage', 'xRow', 'xPixel', 'dyImage', 'dyRow'] as const;
type Walk = Readonly<Record<(typeof WALK)[number], Local>>;

interface FilterWalk {
  /** Addresses of the first pixels of x and dy. */
  readonly x: Local;
  readonly dy: Local;
  readonly walk: Walk;
}

/** Runs `addRow` for each row of each image, with the addresses of the row's first pixels in x and dy. */
export function walkRows(code: FunctionCode<string>, { x, dy, walk }: FilterWalk, addRow: (x: Local, dy: Local) => void): void {
  const { images, rows, xImage, xRow, dyImage, dyRow } = walk;
  code.walk(images, [moving(x, xImage), moving(dy, dyImage)], (xOfImage, dyOfImage) => {
    code.walk(rows, [moving(xOfImage, xRow), moving(dyOfImage, dyRow)], addRow);
  });
}

export interface Sums {
  /** The address for the first place's sums; it is moved on by `step` bytes for each place. */
  readonly to: Local;
  readonly step: Local;
  /** The sums by place of the filter, and by vector of the block. */
  readonly sums: readonly (readonly Local[])[];
}

/** Adds the sums that a loop holds in variables to the memory. */
export function addSums(code: FunctionCode<string>, block: Block, { to, step, sums }: Sums): void {
  const { lanes } = block;
  const offsets = offsetsOf(block);
  for (const ofPlace of sums) {
    for (const [i, sum] of ofPlace.entries()) {
      const offset = offsets[i] as number;
      code.store(lanes, { address: to, offset, value: lanes.add(lanes.load(to, offset), sum) });
    }
    code.advance(to, step);
  }
}
