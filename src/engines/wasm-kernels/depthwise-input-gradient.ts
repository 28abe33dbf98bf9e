/**
 * The gradient of a depthwise convolution for its input: one depthwise convolution of dy for each phase of the vertical and
 * the horizontal stride (./stride-phase.ts).
 * Legend: dx_NHWC, dy_NPQ(CM) gradient of the output, w_KLCM filter. With M outputs for each channel, dx is the sum of M parts.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { convolveDepthwise } from './depthwise-loop.js';
import { addressOf } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import { phasesOf } from './stride-phase.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

const inputGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const info = describeConvolution({ inputShape: attrs.inputShape as number[], filterShape: filter.shape, attrs, depthwise: true });
  const { batchSize, inHeight, inWidth, inChannels, outChannels } = info;
  const dx = backend.makeOutput([batchSize, inHeight, inWidth, outChannels], 'float32');
  spreadBack(backend, { info, dy: addressOf(backend, dy), w: addressOf(backend, filter), dx: addressOf(backend, dx) });
  if (outChannels === inChannels) return dx;
  const copies = tf.engine().makeTensorFromTensorInfo(dx);
  const sum = tf.tidy(() => tf.reshape(tf.sum(tf.reshape(copies, [-1, outChannels / inChannels]), 1), info.inShape));
  copies.dispose();
  return sum;
};

interface Gradient {
  readonly info: ConvolutionInfo;
  /** Addresses of the tensors, in bytes. */
  readonly dy: number;
  readonly w: number;
  readonly dx: number;
}

/** Computes dx with M channels for each input channel, one for each output of it. */
function spreadBack(backend: BackendWasm, { info, dy, w, dx }: Gradient): void {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, outChannels, padInfo } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  const down = { size: inHeight, filter: filterHeight, stride: strideHeight, padding: padInfo.top };
  const across = { size: inWidth, filter: filterWidth, stride: strideWidth, padding: padInfo.left };
  const [rows, columns] = [phasesOf(down), phasesOf(across)];
  const pixel = 4 * outChannels;
  if ([...rows, ...columns].some(({ taps }) => taps === 0)) clearMemory(backend, dx, batchSize * inHeight * inWidth * pixel);
  for (const row of rows) {
    for (const column of columns) {
      if (row.taps * column.taps === 0) continue;
      convolveDepthwise(backend, {
        windows: {
          ...{ batch: batchSize, inHeight: outHeight, inWidth: outWidth, inChannels: outChannels },
          ...{ outHeight: row.places, outWidth: column.places, filterHeight: row.taps, filterWidth: column.taps },
          ...{ strideHeight: 1, strideWidth: 1, top: row.before, left: column.before },
        },
        x: dy,
        w: w + (row.lastTap * filterWidth + column.lastTap) * pixel,
        wLine: -strideHeight * filterWidth * pixel,
        wTap: -strideWidth * pixel,
        y: dx + (row.phase * inWidth + column.phase) * pixel,
        yPixel: strideWidth * pixel,
        yRow: strideHeight * inWidth * pixel,
        yImage: inHeight * inWidth * pixel,
      });
    }
  }
}

export const depthwiseInputGradients: readonly WasmKernel[] = [{ name: tf.DepthwiseConv2dNativeBackpropInput, build: () => inputGradient }];
