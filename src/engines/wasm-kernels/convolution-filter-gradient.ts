/**
 * The gradient of a convolution for its filter, as one matrix product for each tap of the filter.
 *
 * How: dw[k,l,c,o] = sum over n,p,q of x[n, p*s+k, q*s+l, c] * dy[n,p,q,o], s the stride. dy is laid on a grid with zeros to
 * the right and below, as wide as the taps reach; x is transposed onto the same grid, once for each of the s by s phases that
 * a tap may fall into. Then a tap is a shift: its factor is the same memory of x read from some places further on. What is
 * read past a row's end meets a zero of dy. Samples go in groups that fit the processor's second-level cache.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, w_KLCO filter; G places of the grid. No dilation: tfjs's own
 * gradient of Conv2D asks for none.
 */

import * as tf from '@tensorflow/tfjs-core';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { floatsOf, type KernelBody, type WasmKernel, withView } from './wasm-kernel.js';

/** Bytes of x and dy in a group: measured on 8x8 to 32x32 images, it is flat around here. */
const GROUP_BYTES = 1.5 * 2 ** 20;

interface Grid {
  readonly info: ConvolutionInfo;
  readonly rows: number;
  readonly columns: number;
  /** Samples in a group, and the grid's places for all of them. */
  readonly samples: number;
  readonly places: number;
}

/** The samples from `first` on, as many as go onto the grid. */
interface Group {
  readonly grid: Grid;
  readonly first: number;
}

function gridOf(info: ConvolutionInfo): Grid {
  const { strideHeight, strideWidth, inChannels, outChannels } = info;
  const rows = info.outHeight + Math.ceil(info.filterHeight / strideHeight) - 1;
  const columns = info.outWidth + Math.ceil(info.filterWidth / strideWidth) - 1;
  const bytes = 4 * rows * columns * (inChannels * strideHeight * strideWidth + outChannels);
  const samples = Math.min(info.batchSize, Math.max(1, Math.round(GROUP_BYTES / bytes)));
  return { info, rows, columns, samples, places: samples * rows * columns };
}

/** Lays a group of x_NHWC onto the grid: [phase row, phase column, channel, place]. */
function layInput(x: Float32Array, x_SCG: Float32Array, { grid, first }: Group): void {
  const { info, rows, columns, samples, places } = grid;
  const { batchSize, inHeight, inWidth, inChannels, strideHeight, strideWidth, padInfo } = info;
  const count = Math.min(samples, batchSize - first);
  for (let n = 0; n < count; n++) {
    for (let h = 0; h < inHeight; h++) {
      const row = Math.floor((h + padInfo.top) / strideHeight);
      if (row >= rows) break;
      const phaseRow = (h + padInfo.top) % strideHeight;
      for (let phase = 0; phase < strideWidth; phase++) {
        const start = (phase + strideWidth - (padInfo.left % strideWidth)) % strideWidth;
        const column = (start + padInfo.left - phase) / strideWidth;
        const from = ((first + n) * inHeight + h) * inWidth * inChannels;
        const end = Math.min(inWidth, start + (columns - column) * strideWidth);
        for (let c = 0; c < inChannels; c++) {
          let to = ((phaseRow * strideWidth + phase) * inChannels + c) * places + (n * rows + row) * columns + column;
          for (let w = start; w < end; w += strideWidth) x_SCG[to++] = x[from + w * inChannels + c]!;
        }
      }
    }
  }
}

/** Lays a group of dy_NPQO onto the grid; places of samples that are not there become zero. */
function layGradient(dy: Float32Array, dy_GO: Float32Array, { grid, first }: Group): void {
  const { info, rows, columns, samples } = grid;
  const { batchSize, outHeight, outWidth, outChannels } = info;
  const run = outWidth * outChannels;
  const count = Math.min(samples, batchSize - first);
  for (let n = 0; n < count; n++) {
    for (let p = 0; p < outHeight; p++) {
      const from = ((first + n) * outHeight + p) * run;
      dy_GO.set(dy.subarray(from, from + run), (n * rows + p) * columns * outChannels);
    }
  }
  dy_GO.fill(0, count * rows * columns * outChannels);
}

const PLAIN = { transposeA: false, transposeB: false };

/** Where in the laid-out input the factor of each tap begins; the taps in the order of the filter's. */
function tapsOf({ info, columns, places }: Grid): { readonly shape: readonly number[]; readonly offset: number }[] {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels } = info;
  return Array.from({ length: filterHeight * filterWidth }, (_, tap) => {
    const k = Math.floor(tap / filterWidth);
    const l = tap % filterWidth;
    const phase = (k % strideHeight) * strideWidth + (l % strideWidth);
    const shift = Math.floor(k / strideHeight) * columns + Math.floor(l / strideWidth);
    return { shape: [inChannels, places], offset: phase * inChannels * places + shift };
  });
}

function addTo(sums: Float64Array, start: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) sums[start + i]! += values[i]!;
}

const filterGradient =
  (multiply: KernelBody): KernelBody =>
  ({ inputs, attrs, backend }) => {
    const { x, dy } = inputs as { x: tf.Tensor; dy: tf.Tensor };
    const info = describeConvolution({ inputShape: x.shape, filterShape: attrs.filterShape as number[], attrs, depthwise: false });
    const { batchSize, filterHeight, filterWidth, strideHeight, strideWidth, inChannels, outChannels } = info;
    const grid = gridOf(info);
    const taps = tapsOf(grid);
    const reach = Math.max(0, ...taps.map(({ offset }) => offset % (inChannels * grid.places)));
    const x_SCG = backend.makeOutput([strideHeight * strideWidth * inChannels * grid.places + reach], 'float32');
    const dy_GO = backend.makeOutput([grid.places, outChannels], 'float32');
    floatsOf(backend, x_SCG).fill(0);
    floatsOf(backend, dy_GO).fill(0);
    const sums = new Float64Array(filterHeight * filterWidth * inChannels * outChannels);
    for (let first = 0; first < batchSize; first += grid.samples) {
      layInput(floatsOf(backend, x), floatsOf(backend, x_SCG), { grid, first });
      layGradient(floatsOf(backend, dy), floatsOf(backend, dy_GO), { grid, first });
      // One view of dy for all taps: the product packs its second factor once for each view.
      withView(backend, { of: dy_GO, shape: [grid.places, outChannels] }, (b) => {
        for (const [tap, view] of taps.entries()) {
          const product = withView(backend, { of: x_SCG, ...view }, (a) => multiply({ inputs: { a, b }, attrs: PLAIN, backend }));
          addTo(sums, tap * inChannels * outChannels, floatsOf(backend, product));
          backend.disposeData(product.dataId);
        }
      });
    }
    for (const used of [x_SCG, dy_GO]) backend.disposeData(used.dataId);
    const dw = backend.makeOutput([filterHeight, filterWidth, inChannels, outChannels], 'float32');
    floatsOf(backend, dw).set(sums);
    return dw;
  };

export const convolutionFilterGradients: readonly WasmKernel[] = [
  { name: tf.Conv2DBackpropFilter, build: (stock) => filterGradient(stock(tf.BatchMatMul)) },
];
