/**
 * The gradient of a depthwise convolution for its filter: dw[k,l,c] = sum over n,p,q of x[n, p*s+k, q*s+l, c] * dy[n,p,q,c], s the
 * stride. Up to four taps of a filter's row by eight channels are held in variables while a band of the images is read.
 * Legend: x_NHWC input, dy_NPQ(CM) gradient of the output, w_KLCM filter. With M outputs for each channel, x is copied M times.
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

const TAPS = [4, 3, 2, 1] as const;
const WIDTHS = [8, 4, 1] as const;

/**
 * Computes a tile of taps for all blocks of channels. `pixel` is the step to the next pixel of x and dy, and to the next tap
 * of dw, in bytes.
 */
function tapLoop(taps: number, block: Block) {
  const code = new FunctionCode(['x', 'dy', 'dw', 'blocks', ...WALK, 'pixel']);
  const { x, dy, dw, blocks, pixels, xPixel, pixel } = code.parameters;
  const { lanes, width } = block;
  const offsets = offsetsOf(block);
  const address = () => code.variable('i32', i32.constant(0));
  const to = address();
  const xs = Array.from({ length: taps }, () => address());
  const sums = xs.map(() => offsets.map(() => code.variable(lanes.type, lanes.zero)));
  const factors = offsets.map(() => code.variable(lanes.type, lanes.zero));
  const addPixel = (dyAt: Local) => {
    for (const [i, factor] of factors.entries()) code.set(factor, lanes.load(dyAt, offsets[i]));
    for (const [tap, ofTap] of sums.entries()) {
      const valueAt = (offset: number) => lanes.load(xs[tap] as Local, offset);
      for (const [i, sum] of ofTap.entries()) code.set(sum, lanes.multiplyAdd(valueAt(offsets[i] as number), factors[i] as Local, sum));
    }
    for (const at of xs) code.advance(at, xPixel);
  };
  code.repeat(blocks, () => {
    for (const sum of sums.flat()) code.set(sum, lanes.zero);
    walkRows(code, { x, dy, walk: code.parameters }, (xLine, dyLine) => {
      for (const [tap, at] of xs.entries()) code.set(at, tap === 0 ? xLine : i32.add(xs[tap - 1] as Local, pixel));
      code.walk(pixels, [moving(dyLine, pixel)], addPixel);
    });
    code.set(to, dw);
    addSums(code, block, { to, step: pixel, sums });
    for (const base of [x, dy, dw]) code.advance(base, i32.constant(4 * width));
  });
  return code;
}

/** The loops by the taps and the channels of a tile. */
const LOOPS = mapKeys(TAPS, (taps) => mapKeys(WIDTHS, (width) => loopOn(() => tapLoop(taps, BLOCKS[width]))));

function addBand(backend: BackendWasm, { info, bands, band, x, dy, dw }: BandWork): void {
  const { filterHeight, filterWidth, strideHeight, strideWidth, outChannels, outHeight, outWidth } = info;
  const pixel = 4 * outChannels;
  for (const taps of cutIntoBlocks(filterWidth, TAPS)) {
    for (const channels of cutIntoBlocks(outChannels, WIDTHS)) {
      const loop = LOOPS[taps.width][channels.width](backend);
      for (let k = 0; k < filterHeight; k++) {
        for (let l = taps.start; l < taps.start + taps.width * taps.blocks; l += taps.width) {
          loop({
            x: x + k * bands.rowStep + l * pixel + 4 * channels.start,
            dy: dy + 4 * channels.start,
            dw: dw + (k * filterWidth + l) * pixel + 4 * channels.start,
            blocks: channels.blocks,
            images: band.samples,
            rows: band.rows,
            pixels: outWidth,
            xImage: bands.imageStep,
            xRow: strideHeight * bands.rowStep,
            xPixel: strideWidth * pixel,
            dyImage: outHeight * outWidth * pixel,
            dyRow: outWidth * pixel,
            pixel,
          });
        }
      }
    }
  }
}

const filterGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { x: given, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const info = describeConvolution({ inputShape: given.shape, filterShape: attrs.filterShape as number[], attrs, depthwise: true });
  const { outChannels, inChannels } = info;
  const x = outChannels === inChannels ? given : repeatChannels(given, outChannels / inChannels);
  const dw = sumOverBands(backend, { x, dy, info, windows: { ...windowsOf(info), inChannels: outChannels }, addBand });
  if (x !== given) x.dispose();
  return dw;
};

/** Repeats each channel `times` times, next to each other. The caller disposes the answer. */
function repeatChannels(x: tf.Tensor4D, times: number): tf.Tensor {
  const [batch, height, width, channels] = x.shape;
  return tf.tidy(() => tf.reshape(tf.tile(tf.reshape(x, [-1, 1]), [1, times]), [batch, height, width, channels * times]));
}

export const depthwiseFilterGradients: readonly WasmKernel[] = [
  { name: tf.DepthwiseConv2dNativeBackpropFilter, build: () => filterGradient },
];
