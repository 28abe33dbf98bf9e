/**
 * The gradient of a convolution for its input. At stride 1 it is a convolution of dy with the filter turned by half a turn,
 * which runs as fast as one forward; else a matrix product gives what each tap sends back, and loops add it up in its place.
 * Legend: dx_NHWC, dy_NPQO gradient of the output, w_KLCO filter.
 */

import * as tf from '@tensorflow/tfjs-core';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { floatsOf, type KernelBody, type WasmKernel } from './wasm-kernel.js';

const inputGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const info = describeConvolution({ inputShape: attrs.inputShape as number[], filterShape: filter.shape, attrs, depthwise: false });
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth, inHeight, inWidth, padInfo } = info;
  if (strideHeight === 1 && strideWidth === 1) {
    return tf.tidy(() => {
      const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
      const top = filterHeight - 1 - padInfo.top;
      const bottom = inHeight + padInfo.top - outHeight;
      const left = filterWidth - 1 - padInfo.left;
      const right = inWidth + padInfo.left - outWidth;
      // Padding wider than the filter: what lies out there has no gradient to give.
      const [batch, rows, columns, channels] = dy.shape;
      const cut = [top, bottom, left, right].map((zeros) => Math.max(0, -zeros)) as [number, number, number, number];
      const inner = tf.slice(dy, [0, cut[0], cut[2], 0], [batch, rows - cut[0] - cut[1], columns - cut[2] - cut[3], channels]);
      const zeros: tf.backend_util.ExplicitPadding = [
        [0, 0],
        [Math.max(0, top), Math.max(0, bottom)],
        [Math.max(0, left), Math.max(0, right)],
        [0, 0],
      ];
      return tf.conv2d(inner, turned, 1, zeros);
    });
  }
  const taps = tf.tidy(() => tf.matMul(tf.reshape(dy, [-1, info.outChannels]), tf.reshape(filter, [-1, info.outChannels]), false, true));
  const dx = backend.makeOutput([...info.inShape], 'float32');
  scatterTaps(floatsOf(backend, taps), floatsOf(backend, dx), info);
  taps.dispose();
  return dx;
};

/** Adds the rows of taps_NPQKLC to the places of dx_NHWC that they were taken from; dx may hold anything before. */
function scatterTaps(taps: Float32Array, dx: Float32Array, info: ConvolutionInfo): void {
  const { batchSize, outHeight, outWidth, inHeight, inWidth, inChannels, filterHeight, filterWidth, strideHeight, strideWidth, padInfo } =
    info;
  dx.fill(0);
  let from = 0;
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      for (let q = 0; q < outWidth; q++) {
        for (let k = 0; k < filterHeight; k++) {
          const row = p * strideHeight + k - padInfo.top;
          for (let l = 0; l < filterWidth; l++, from += inChannels) {
            const column = q * strideWidth + l - padInfo.left;
            if (row < 0 || row >= inHeight || column < 0 || column >= inWidth) continue;
            const to = ((n * inHeight + row) * inWidth + column) * inChannels;
            for (let c = 0; c < inChannels; c++) dx[to + c]! += taps[from + c]!;
          }
        }
      }
    }
  }
}

export const convolutionInputGradients: readonly WasmKernel[] = [{ name: tf.Conv2DBackpropInput, build: () => inputGradient }];
