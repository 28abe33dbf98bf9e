/**
 * The gradient of a convolution for its input: convolutions of dy with the filter turned by half a turn, which run as fast as
 * one forward. At a stride of s there are s by s of them: the rows of dx that leave the same rest by s see the same rows of the
 * filter, and so do its columns.
 * Legend: dx_NHWC, dy_NPQO gradient of the output, w_KLCO filter.
 */

import * as tf from '@tensorflow/tfjs-core';
import { describeConvolution } from './convolution-info.js';
import { convolve } from './convolution-loop.js';
import { addressOf } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

/** Along one axis: what the places of dx see that leave the rest `phase` when divided by the stride. */
interface Phase {
  readonly phase: number;
  /** Places of dx. */
  readonly places: number;
  /** The last tap that they see, and how many: each is a stride before the one above. */
  readonly lastTap: number;
  readonly taps: number;
  /** Zeros before dy; less than 0: so many of dy are left out. */
  readonly before: number;
}

interface Axis {
  readonly size: number;
  readonly filter: number;
  readonly stride: number;
  /** Zeros before x. */
  readonly padding: number;
}

function phasesOf({ size, filter, stride, padding }: Axis): Phase[] {
  return Array.from({ length: Math.min(stride, size) }, (_, phase) => {
    const firstTap = (phase + padding) % stride;
    const taps = Math.max(0, Math.ceil((filter - firstTap) / stride));
    // Place phase + s u meets tap firstTap + s t at the output u + (phase + padding - firstTap) / s - t.
    const before = taps - 1 - (phase + padding - firstTap) / stride;
    return { phase, places: Math.ceil((size - phase) / stride), lastTap: firstTap + stride * (taps - 1), taps, before };
  });
}

const inputGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const info = describeConvolution({ inputShape: attrs.inputShape as number[], filterShape: filter.shape, attrs, depthwise: false });
  const { inHeight, inWidth, inChannels, outChannels, filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const dx = backend.makeOutput([...info.inShape], 'float32');
  const rows = phasesOf({ size: inHeight, filter: filterHeight, stride: strideHeight, padding: padInfo.top });
  const columns = phasesOf({ size: inWidth, filter: filterWidth, stride: strideWidth, padding: padInfo.left });
  const start = addressOf(backend, dx);
  if ([...rows, ...columns].some(({ taps }) => taps === 0))
    clearMemory(backend, start, 4 * info.batchSize * inHeight * inWidth * inChannels);
  const tapSize = inChannels * outChannels;
  for (const row of rows) {
    for (const column of columns) {
      if (row.taps * column.taps === 0) continue;
      convolve(backend, {
        windows: {
          ...{ batch: info.batchSize, inHeight: info.outHeight, inWidth: info.outWidth, inChannels: outChannels },
          ...{ outHeight: row.places, outWidth: column.places, filterHeight: row.taps, filterWidth: column.taps },
          ...{ strideHeight: 1, strideWidth: 1, top: row.before, left: column.before },
        },
        outChannels: inChannels,
        x: addressOf(backend, dy),
        filter,
        view: {
          start: (row.lastTap * filterWidth + column.lastTap) * tapSize,
          row: -strideHeight * filterWidth * tapSize,
          column: -strideWidth * tapSize,
          input: 1,
          output: outChannels,
        },
        bias: null,
        floor: Number.NEGATIVE_INFINITY,
        y: start + 4 * (row.phase * inWidth + column.phase) * inChannels,
        yPixel: 4 * strideWidth * inChannels,
        yRow: 4 * strideHeight * inWidth * inChannels,
        yImage: 4 * inHeight * inWidth * inChannels,
      });
    }
  }
  return dx;
};

export const convolutionInputGradients: readonly WasmKernel[] = [{ name: tf.Conv2DBackpropInput, build: () => inputGradient }];
