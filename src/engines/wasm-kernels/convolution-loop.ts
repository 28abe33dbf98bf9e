/**
 * Convolution as one pass over the images: a tile of up to four pixels by eight channels of the output is held in variables
 * while its windows are read. It needs no padded copy and no im2col. It adds the numbers in the same order as tfjs.
 * Legend: x_NHWC input, w_KLCO filter, y_NPQO output.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import { FunctionCode, i32, type Local, moving } from './assembler.js';
import { BLOCKS, type Block, cutIntoBlocks, mapKeys, offsetsOf } from './column-block.js';
import { type Band, type BandSize, bandSize, bandsOf, InputBands, type Windows } from './input-band.js';
import { loopOn, withScratch } from './loop-module.js';
import { floatsOf } from './wasm-kernel.js';

/** Pixels and channels of a tile. The variables of a tile of four by eight fit the sixteen registers of x64. */
const PIXELS = [4, 3, 2, 1] as const;
const WIDTHS = [8, 4, 1] as const;
/** Bytes of a band: half of a small second-level cache. */
const BAND_BYTES = 2 ** 17;

/**
 * Computes one tile after the other along a row of the output, row after row and image after image, for one block of output
 * channels. y = max(sum, floor). `inner` is the number of contiguous numbers in one row of a window. Steps are in bytes:
 * `xRow` to the next row of windows, `xLine` to the next row of the image.
 */
function tileLoop(pixels: number, block: Block) {
  const names = ['x', 'w', 'bias', 'floor', 'y', 'images', 'rows', 'tiles', 'filterHeight', 'inner'] as const;
  const code = new FunctionCode([...names, 'xImage', 'xRow', 'xPixel', 'xLine', 'yImage', 'yRow', 'yPixel']);
  const { x, w, bias, floor, y, images, rows, tiles, filterHeight, inner } = code.parameters;
  const { xImage, xRow, xPixel, xLine, yImage, yRow, yPixel } = code.parameters;
  const { lanes, width } = block;
  const offsets = offsetsOf(block);
  const address = (value = i32.constant(0)) => code.variable('i32', value);
  const [wAt, yAt] = [address(), address()];
  const xs = Array.from({ length: pixels }, () => address());
  const xTileStep = address(i32.multiply(xPixel, i32.constant(pixels)));
  const sums = xs.map(() => offsets.map(() => code.variable(lanes.type, lanes.zero)));
  const factors = offsets.map(() => code.variable(lanes.type, lanes.zero));
  const value = code.variable(lanes.type, lanes.zero);
  const addTap = () => {
    for (const [i, factor] of factors.entries()) code.set(factor, lanes.load(wAt, offsets[i]));
    for (const [p, ofPixel] of sums.entries()) {
      code.set(value, lanes.loadOne(xs[p] as Local));
      for (const [i, sum] of ofPixel.entries()) code.set(sum, lanes.multiplyAdd(value, factors[i] as Local, sum));
    }
    for (const at of xs) code.advance(at, i32.constant(4));
    code.advance(wAt, i32.constant(4 * width));
  };
  const storePixel = (sum: Local, offset: number) =>
    code.store(lanes, { address: yAt, offset, value: lanes.maximum(sum, lanes.loadOne(floor)) });
  const computeTile = (xTile: Local) => {
    for (const [i, sum] of sums.flat().entries()) code.set(sum, lanes.load(bias, offsets[i % offsets.length]));
    code.set(wAt, w);
    code.walk(filterHeight, [moving(xTile, xLine)], (xFilter) => {
      for (const [p, at] of xs.entries()) code.set(at, p === 0 ? xFilter : i32.add(xs[p - 1] as Local, xPixel));
      code.repeat(inner, addTap);
    });
    for (const ofPixel of sums) {
      for (const [i, sum] of ofPixel.entries()) storePixel(sum, offsets[i] as number);
      code.advance(yAt, yPixel);
    }
  };
  const computeRow = (xStart: Local, yStart: Local) => {
    code.set(yAt, yStart);
    code.walk(tiles, [moving(xStart, xTileStep)], computeTile);
  };
  code.walk(images, [moving(x, xImage), moving(y, yImage)], (xOfImage, yOfImage) => {
    code.walk(rows, [moving(xOfImage, xRow), moving(yOfImage, yRow)], computeRow);
  });
  return code;
}

/** The loops by the pixels and the channels of a tile. */
const TILES = mapKeys(PIXELS, (pixels) => mapKeys(WIDTHS, (width) => loopOn(() => tileLoop(pixels, BLOCKS[width]))));

/**
 * The position of a weight in the filter, counted in numbers and not in bytes: for filter row k, filter column l, input
 * channel i and output channel o it is start + k row + l column + i input + o output.
 */
export interface FilterView {
  readonly start: number;
  readonly row: number;
  readonly column: number;
  readonly input: number;
  readonly output: number;
}

export interface Convolution {
  readonly windows: Windows;
  readonly outChannels: number;
  /** Address of the images. */
  readonly x: number;
  readonly filter: tf.TensorInfo;
  readonly view: FilterView;
  /** One number for each output channel; null means zeros. */
  readonly bias: tf.TensorInfo | null;
  /** The least value of the output: 0 for ReLU, minus infinity for no activation. */
  readonly floor: number;
  /** Address of the output, and the bytes from one pixel, row and image of it to the next. */
  readonly y: number;
  readonly yPixel: number;
  readonly yRow: number;
  readonly yImage: number;
}

/** Writes y. The bytes between the pixels of y do not change. */
export function convolve(backend: BackendWasm, convolution: Convolution): void {
  const { windows, outChannels, x } = convolution;
  const { batch, outHeight, outWidth, filterHeight, filterWidth, inChannels } = windows;
  if (batch * outHeight * outWidth * outChannels === 0) return;
  const size = bandSizeOf(windows);
  const bands = new InputBands(backend, windows, size);
  const weights = filterHeight * filterWidth * inChannels * outChannels;
  withScratch(backend, bands.frameCount + weights + outChannels + 1, (frame) => {
    const packed = frame + 4 * bands.frameCount;
    bands.clear(frame);
    packFilter(backend, convolution, packed);
    for (const band of bandsOf(windows, size)) convolveBand(backend, convolution, { at: bands.read(x, frame, band), bands, packed, band });
  });
}

function bandSizeOf({ batch, outHeight, outWidth, inChannels, strideWidth, strideHeight }: Windows): BandSize {
  return bandSize({ batch, outHeight }, Math.floor(BAND_BYTES / (4 * inChannels * outWidth * strideWidth * strideHeight)));
}

interface BandWork {
  readonly bands: InputBands;
  /** Address of the first window. */
  readonly at: number;
  /** Address of the weights, the bias and the floor. */
  readonly packed: number;
  readonly band: Band;
}

function convolveBand(backend: BackendWasm, convolution: Convolution, { bands, at, packed, band }: BandWork): void {
  const { windows, outChannels, y, yPixel, yRow, yImage } = convolution;
  const { filterHeight, filterWidth, inChannels, strideHeight, strideWidth, outWidth } = windows;
  const taps = filterHeight * filterWidth * inChannels;
  const bias = packed + 4 * taps * outChannels;
  const pixelStep = 4 * strideWidth * inChannels;
  const tiles = cutIntoBlocks(outWidth, PIXELS);
  for (const { width, start, blocks } of cutIntoBlocks(outChannels, WIDTHS)) {
    for (let channel = start; channel < start + width * blocks; channel += width) {
      for (const tile of tiles) {
        TILES[tile.width][width](backend)({
          x: at + tile.start * pixelStep,
          w: packed + 4 * taps * channel,
          bias: bias + 4 * channel,
          floor: bias + 4 * outChannels,
          y: y + band.first * yImage + band.row * yRow + tile.start * yPixel + 4 * channel,
          images: band.samples,
          rows: band.rows,
          tiles: tile.blocks,
          filterHeight,
          inner: filterWidth * inChannels,
          xImage: bands.imageStep,
          xRow: strideHeight * bands.rowStep,
          xPixel: pixelStep,
          xLine: bands.rowStep,
          yImage,
          yRow,
          yPixel,
        });
      }
    }
  }
}

/** Packs the weights by blocks of output channels, so that a tile reads them in order; the bias and the floor come after them. */
function packFilter(backend: BackendWasm, { windows, outChannels, filter, view, bias, floor }: Convolution, packed: number): void {
  const { filterHeight, filterWidth, inChannels } = windows;
  const weights = floatsOf(backend, filter);
  const count = filterHeight * filterWidth * inChannels * outChannels;
  const to = new Float32Array(weights.buffer, packed, count + outChannels + 1);
  let place = 0;
  for (const { width, start, blocks } of cutIntoBlocks(outChannels, WIDTHS)) {
    for (let channel = start; channel < start + width * blocks; channel += width) {
      for (let k = 0; k < filterHeight; k++) {
        for (let l = 0; l < filterWidth; l++) {
          let from = view.start + k * view.row + l * view.column + channel * view.output;
          for (let i = 0; i < inChannels; i++, from += view.input) {
            for (let o = 0; o < width; o++) to[place++] = weights[from + o * view.output] as number;
          }
        }
      }
    }
  }
  if (bias === null) to.fill(0, count, count + outChannels);
  else to.set(floatsOf(backend, bias), count);
  to[count + outChannels] = floor;
}
