/**
 * The gradient of a convolution for its filter: dw[k,l,c,o] = sum over n,p,q of x[n, p*s+k, q*s+l, c] * dy[n,p,q,o], s the
 * stride. A tile of up to four places of the filter's row (tap and input channel) by eight output channels is held in variables
 * while some rows of the images are read, few enough for the processor's first-level cache; then it is added to dw.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, dw_KLCO.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { FunctionCode, i32, type Local } from './assembler.js';
import { BLOCKS, type Block, cutIntoBlocks, mapKeys, offsetsOf } from './column-block.js';
import { windowsOf } from './convolution.js';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { type Band, type BandSize, bandSize, bandsOf, InputBands, type Windows } from './input-band.js';
import { addressOf, loopOn, withScratch } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const PLACES = [4, 3, 2, 1] as const;
const WIDTHS = [8, 4, 1] as const;
/** Bytes of x and dy that are read for a tile: a first-level cache holds them. */
const BAND_BYTES = 2 ** 15;

/** All tiles of one row of the filter that have this size. `dwStep` and `dyPixel` are the bytes of the output channels. */
function tileLoop(places: number, block: Block) {
  const names = ['x', 'dy', 'dw', 'places', 'columns', 'images', 'rows', 'pixels', 'xImage', 'xRow', 'xPixel'] as const;
  const code = new FunctionCode([...names, 'dyImage', 'dyRow', 'dyPixel']);
  const { x, dy, dw, columns, images, rows, pixels, xImage, xRow, xPixel, dyImage, dyRow, dyPixel } = code.parameters;
  const { lanes, width } = block;
  const offsets = offsetsOf(block);
  const address = () => code.variable('i32', i32.constant(0));
  const [dyColumn, dwColumn, xStart, dyStart, xLine, dyLine] = [address(), address(), address(), address(), address(), address()];
  const [xAt, dyAt, to] = [address(), address(), address()];
  const sums = Array.from({ length: places }, () => offsets.map(() => code.variable(lanes.type, lanes.zero)));
  const factors = offsets.map(() => code.variable(lanes.type, lanes.zero));
  const value = code.variable(lanes.type, lanes.zero);
  const addPixel = () => {
    for (const [i, factor] of factors.entries()) code.set(factor, lanes.load(dyAt, offsets[i]));
    for (const [place, ofPlace] of sums.entries()) {
      code.set(value, lanes.loadOne(xAt, 4 * place));
      for (const [i, sum] of ofPlace.entries()) code.set(sum, lanes.multiplyAdd(value, factors[i] as Local, sum));
    }
    code.advance(xAt, xPixel);
    code.advance(dyAt, dyPixel);
  };
  const addRow = () => {
    code.set(xAt, xLine);
    code.set(dyAt, dyLine);
    code.repeat(pixels, addPixel);
    code.advance(xLine, xRow);
    code.advance(dyLine, dyRow);
  };
  const addImage = () => {
    code.set(xLine, xStart);
    code.set(dyLine, dyStart);
    code.repeat(rows, addRow);
    code.advance(xStart, xImage);
    code.advance(dyStart, dyImage);
  };
  const computeTile = () => {
    for (const sum of sums.flat()) code.set(sum, lanes.zero);
    code.set(xStart, x);
    code.set(dyStart, dyColumn);
    code.repeat(images, addImage);
    code.set(to, dwColumn);
    for (const ofPlace of sums) {
      for (const [i, sum] of ofPlace.entries()) {
        code.store(lanes, { address: to, offset: offsets[i] as number, value: lanes.add(lanes.load(to, offsets[i]), sum) });
      }
      code.advance(to, dyPixel);
    }
    code.advance(dyColumn, i32.constant(4 * width));
    code.advance(dwColumn, i32.constant(4 * width));
  };
  code.repeat(code.parameters.places, () => {
    code.set(dyColumn, dy);
    code.set(dwColumn, dw);
    code.repeat(columns, computeTile);
    code.advance(x, i32.constant(4 * places));
    code.advance(dw, i32.multiply(dyPixel, i32.constant(places)));
  });
  return code;
}

/** By places, and by channels. */
const TILES = mapKeys(PLACES, (places) => mapKeys(WIDTHS, (width) => loopOn(() => tileLoop(places, BLOCKS[width]))));

function bandSizeOf(windows: Windows, outChannels: number): BandSize {
  const { outWidth, inChannels, strideHeight, strideWidth } = windows;
  return bandSize(windows, Math.floor(BAND_BYTES / (4 * outWidth * (outChannels + inChannels * strideHeight * strideWidth))));
}

interface BandWork {
  readonly info: ConvolutionInfo;
  readonly bands: InputBands;
  readonly band: Band;
  /** Addresses of the band's first window, of its first pixel of dy, and of dw. */
  readonly x: number;
  readonly dy: number;
  readonly dw: number;
}

function addBand(backend: BackendWasm, { info, bands, band, x, dy, dw }: BandWork): void {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels, outChannels, outHeight, outWidth } = info;
  const inner = filterWidth * inChannels;
  for (const places of cutIntoBlocks(inner, PLACES)) {
    for (const columns of cutIntoBlocks(outChannels, WIDTHS)) {
      const loop = TILES[places.width][columns.width](backend);
      for (let k = 0; k < filterHeight; k++) {
        loop({
          x: x + k * bands.rowStep + 4 * places.start,
          dy: dy + 4 * columns.start,
          dw: dw + 4 * ((k * inner + places.start) * outChannels + columns.start),
          places: places.blocks,
          columns: columns.blocks,
          images: band.samples,
          rows: band.rows,
          pixels: outWidth,
          xImage: bands.imageStep,
          xRow: strideHeight * bands.rowStep,
          xPixel: 4 * strideWidth * inChannels,
          dyImage: 4 * outHeight * outWidth * outChannels,
          dyRow: 4 * outWidth * outChannels,
          dyPixel: 4 * outChannels,
        });
      }
    }
  }
}

const filterGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: tf.Tensor; dy: tf.Tensor };
  const info = describeConvolution({ inputShape: x.shape, filterShape: attrs.filterShape as number[], attrs, depthwise: false });
  const { outHeight, outWidth, outChannels } = info;
  const dw = backend.makeOutput([...info.filterShape], 'float32');
  const to = addressOf(backend, dw);
  clearMemory(backend, to, 4 * tf.util.sizeFromShape(dw.shape));
  const windows = windowsOf(info);
  const size = bandSizeOf(windows, outChannels);
  const bands = new InputBands(backend, windows, size);
  withScratch(backend, bands.frameCount, (frame) => {
    bands.clear(frame);
    for (const band of bandsOf(windows, size)) {
      const from = addressOf(backend, dy) + 4 * (band.first * outHeight + band.row) * outWidth * outChannels;
      addBand(backend, { info, bands, band, x: bands.read(addressOf(backend, x), frame, band), dy: from, dw: to });
    }
  });
  return dw;
};

export const convolutionFilterGradients: readonly WasmKernel[] = [{ name: tf.Conv2DBackpropFilter, build: () => filterGradient }];
