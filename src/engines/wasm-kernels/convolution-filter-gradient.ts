/**
 * The gradient of a convolution for its filter: dw[k,l,c,o] = sum over n,p,q of x[n, p*s+k, q*s+l, c] * dy[n,p,q,o], s the
 * stride. A tile of up to four places of the filter's row (tap and input channel) by eight output channels is held in variables
 * while some rows of the images are read, few enough for the processor's first-level cache; then it is added to dw.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, dw_KLCO.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { present } from '../../base/assert.js';
import { FunctionCode, i32, type Local } from './assembler.js';
import { BLOCKS, type Block, cutIntoBlocks, offsetsOf } from './column-block.js';
import { windowsOf } from './convolution.js';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { type Band, type BandSize, clearMemory, InputBands } from './input-band.js';
import { addressOf, loopModule, withScratch } from './loop-module.js';
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
      for (const [i, sum] of ofPlace.entries()) code.set(sum, lanes.add(sum, lanes.multiply(value, factors[i] as Local)));
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

const loopsOn = loopModule(
  Object.fromEntries(PLACES.flatMap((places) => WIDTHS.map((width) => [nameOf(places, width), tileLoop(places, BLOCKS[width])] as const))),
);

function nameOf(places: number, width: number): string {
  return `tile ${places} x ${width}`;
}

function bandSizeOf(info: ConvolutionInfo): BandSize {
  const { batchSize, outHeight, outWidth, outChannels, inChannels, strideHeight, strideWidth } = info;
  const rowBytes = 4 * outWidth * (outChannels + inChannels * strideHeight * strideWidth);
  const rows = Math.max(1, Math.min(outHeight, Math.floor(BAND_BYTES / rowBytes)));
  const samples = rows < outHeight ? 1 : Math.max(1, Math.min(batchSize, Math.floor(BAND_BYTES / (rowBytes * outHeight))));
  return { rows, samples };
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
  const loops = loopsOn(backend);
  const inner = filterWidth * inChannels;
  for (const places of cutIntoBlocks(inner, PLACES)) {
    for (const columns of cutIntoBlocks(outChannels, WIDTHS)) {
      const loop = present(loops[nameOf(places.width, columns.width)], 'loop');
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
  const { batchSize, outHeight, outWidth, outChannels } = info;
  const dw = backend.makeOutput([...info.filterShape], 'float32');
  const to = addressOf(backend, dw);
  clearMemory(backend, to, 4 * tf.util.sizeFromShape(dw.shape));
  const size = bandSizeOf(info);
  const bands = new InputBands(backend, windowsOf(info), size);
  withScratch(backend, bands.frameCount, (frame) => {
    bands.clear(frame);
    for (let first = 0; first < batchSize; first += size.samples) {
      for (let row = 0; row < outHeight; row += size.rows) {
        const band = { first, samples: Math.min(size.samples, batchSize - first), row, rows: Math.min(size.rows, outHeight - row) };
        const from = addressOf(backend, dy) + 4 * (first * outHeight + row) * outWidth * outChannels;
        addBand(backend, { info, bands, band, x: bands.read(addressOf(backend, x), frame, band), dy: from, dw: to });
      }
    }
  });
  return dw;
};

export const convolutionFilterGradients: readonly WasmKernel[] = [{ name: tf.Conv2DBackpropFilter, build: () => filterGradient }];
