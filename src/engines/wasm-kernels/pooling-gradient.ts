/**
 * The gradient of max pooling. tfjs's own for wasm takes the padding for values of zero, and so loses gradients at the border.
 * Legend: x_NHWC input, dy_NPQC gradient of the output.
 */

import * as tf from '@tensorflow/tfjs-core';
import { floatsOf, type KernelBody, type WasmKernel } from './wasm-kernel.js';

/** Where a window of a length begins and ends along one axis, cut to the image. */
function cutToImage(start: number, length: number, size: number): [from: number, to: number] {
  return [Math.max(0, start), Math.min(size, start + length)];
}

/** Each gradient goes to the first of the largest values of its window, as on tfjs's cpu. */
const maxPoolGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, input } = inputs as { dy: tf.Tensor4D; input: tf.Tensor4D };
  const { filterSize, strides, pad, dimRoundingMode } = attrs as {
    filterSize: number;
    strides: number;
    pad: number;
    dimRoundingMode?: 'floor';
  };
  const info = tf.backend_util.computePool2DInfo(input.shape, filterSize, strides, 1, pad, dimRoundingMode);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, padInfo } = info;
  const dx = backend.makeOutput([...input.shape], 'float32');
  const [xs, dys, dxs] = [floatsOf(backend, input), floatsOf(backend, dy), floatsOf(backend, dx)];
  dxs.fill(0);
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      const [top, bottom] = cutToImage(p * info.strideHeight - padInfo.top, info.effectiveFilterHeight, inHeight);
      for (let q = 0; q < outWidth; q++) {
        const [left, right] = cutToImage(q * info.strideWidth - padInfo.left, info.effectiveFilterWidth, inWidth);
        const from = ((n * outHeight + p) * outWidth + q) * inChannels;
        for (let c = 0; c < inChannels; c++) {
          let best = -1;
          for (let row = top; row < bottom; row++) {
            for (let column = left; column < right; column++) {
              const at = ((n * inHeight + row) * inWidth + column) * inChannels + c;
              if (best < 0 || xs[at]! > xs[best]!) best = at;
            }
          }
          if (best >= 0) dxs[best]! += dys[from + c]!;
        }
      }
    }
  }
  return dx;
};

export const poolingGradients: readonly WasmKernel[] = [{ name: tf.MaxPoolGrad, build: () => maxPoolGradient }];
