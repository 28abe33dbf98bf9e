/**
 * The gradient of a convolution for its input: convolutions of dy with the filter rotated by 180 degrees, one for each phase
 * of the vertical and the horizontal stride (./stride-phase.ts). Together they take as long as one forward pass.
 * Legend: dx_NHWC, dy_NPQO gradient of the output, w_KLCO filter.
 */

import * as tf from '@tensorflow/tfjs-core';
import { describeConvolution } from './convolution-info.js';
import { convolve } from './convolution-loop.js';
import { addressOf } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import { phasesOf } from './stride-phase.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

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
