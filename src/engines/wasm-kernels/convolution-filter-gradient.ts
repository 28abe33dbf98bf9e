/**
 * The gradient of a convolution for its filter: dw[k,l,c,o] = sum over n,p,q of x[n, p*s+k, q*s+l, c] * dy[n,p,q,o], s the
 * stride. A tile of up to four places of the filter's row (tap and input channel) by eight output channels is held in variables
 * while a band of the images is read, which fits the processor's first-level cache. Then the tile is added to dw.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, dw_KLCO.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { FunctionCode, i32, type Local, moving } from './assembler.js';
import { BLOCKS, type Block, cutIntoBlocks, mapKeys, offsetsOf } from './column-block.js';
import { windowsOf } from './convolution.js';
import { describeConvolution } from './convolution-info.js';
import { addSums, type BandWork, sumOverBands, WALK, walkRows } from './filter-gradient.js';
import { loopOn } from './loop-module.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const PLACES = [4, 3, 2, 1] as const;
const WIDTHS = [8, 4, 1] as const;

/** Computes all tiles of this size in one row of the filter. `dyPixel` is the size of all output channels of a pixel, in bytes. */
function tileLoop(places: number, block: Block) {
  const code = new FunctionCode(['x', 'dy', 'dw', 'places', 'columns', ...WALK, 'dyPixel']);
  const { x, dy, dw, columns, pixels, xPixel, dyPixel } = code.parameters;
  const { lanes, width } = block;
  const offsets = offsetsOf(block);
  const address = () => code.variable('i32', i32.constant(0));
  const to = address();
  const sums = Array.from({ length: places }, () => offsets.map(() => code.variable(lanes.type, lanes.zero)));
  const factors = offsets.map(() => code.variable(lanes.type, lanes.zero));
  const value = code.variable(lanes.type, lanes.zero);
  const addPixel = (xAt: Local, dyAt: Local) => {
    for (const [i, factor] of factors.entries()) code.set(factor, lanes.load(dyAt, offsets[i]));
    for (const [place, ofPlace] of sums.entries()) {
      code.set(value, lanes.loadOne(xAt, 4 * place));
      for (const [i, sum] of ofPlace.entries()) code.set(sum, lanes.multiplyAdd(value, factors[i] as Local, sum));
    }
  };
  const computeTile = (dyColumn: Local, dwColumn: Local) => {
    for (const sum of sums.flat()) code.set(sum, lanes.zero);
    walkRows(code, { x, dy: dyColumn, walk: code.parameters }, (xLine, dyLine) => {
      code.walk(pixels, [moving(xLine, xPixel), moving(dyLine, dyPixel)], addPixel);
    });
    code.set(to, dwColumn);
    addSums(code, block, { to, step: dyPixel, sums });
  };
  const tile = i32.constant(4 * width);
  code.repeat(code.parameters.places, () => {
    code.walk(columns, [moving(dy, tile), moving(dw, tile)], computeTile);
    code.advance(x, i32.constant(4 * places));
    code.advance(dw, i32.multiply(dyPixel, i32.constant(places)));
  });
  return code;
}

/** The loops by the places and the channels of a tile. */
const TILES = mapKeys(PLACES, (places) => mapKeys(WIDTHS, (width) => loopOn(() => tileLoop(places, BLOCKS[width]))));

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
  return sumOverBands(backend, { x, dy, info, windows: windowsOf(info), addBand });
};

export const convolutionFilterGradients: readonly WasmKernel[] = [{ name: tf.Conv2DBackpropFilter, build: () => filterGradient }];
