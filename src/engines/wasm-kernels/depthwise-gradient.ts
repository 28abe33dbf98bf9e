/**
 * The gradients of a depthwise convolution, as loops over the heap: few multiplications a value, and one loop nest for every
 * stride, padding, dilation and multiplier. At stride 1 and multiplier 1 the input's gradient is a depthwise convolution itself.
 * Legend: x_NHWC input, dy_NPQ(CM) gradient of the output, w_KLCM filter; M outputs for each channel.
 */

import * as tf from '@tensorflow/tfjs-core';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { floatsOf, type KernelBody, type WasmKernel } from './wasm-kernel.js';

/** Calls `visit` for each tap of each output pixel that lies inside the image, with the first index of each in x, dy and w. */
function eachTap(info: ConvolutionInfo, visit: (x: number, dy: number, w: number) => void): void {
  const { batchSize, outHeight, outWidth, inHeight, inWidth, inChannels, outChannels, filterHeight, filterWidth } = info;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth, padInfo } = info;
  for (let n = 0; n < batchSize; n++) {
    for (let p = 0; p < outHeight; p++) {
      for (let q = 0; q < outWidth; q++) {
        const dy = ((n * outHeight + p) * outWidth + q) * outChannels;
        for (let k = 0; k < filterHeight; k++) {
          const row = p * strideHeight + k * dilationHeight - padInfo.top;
          if (row < 0 || row >= inHeight) continue;
          for (let l = 0; l < filterWidth; l++) {
            const column = q * strideWidth + l * dilationWidth - padInfo.left;
            if (column < 0 || column >= inWidth) continue;
            visit(((n * inHeight + row) * inWidth + column) * inChannels, dy, (k * filterWidth + l) * outChannels);
          }
        }
      }
    }
  }
}

/** The input channel of each output channel. */
function channelsOf({ inChannels, outChannels }: ConvolutionInfo): Int32Array {
  return Int32Array.from({ length: outChannels }, (_, o) => Math.floor((o * inChannels) / outChannels));
}

const filterGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { x, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const info = describeConvolution({ inputShape: x.shape, filterShape: attrs.filterShape as number[], attrs, depthwise: true });
  const channelOf = channelsOf(info);
  const dw = backend.makeOutput([...info.filterShape], 'float32');
  const [xs, dys] = [floatsOf(backend, x), floatsOf(backend, dy)];
  const sums = new Float64Array(info.filterHeight * info.filterWidth * info.outChannels);
  eachTap(info, (xAt, dyAt, wAt) => {
    for (let o = 0; o < channelOf.length; o++) sums[wAt + o]! += xs[xAt + channelOf[o]!]! * dys[dyAt + o]!;
  });
  floatsOf(backend, dw).set(sums);
  return dw;
};

const inputGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const info = describeConvolution({ inputShape: attrs.inputShape as number[], filterShape: filter.shape, attrs, depthwise: true });
  const { filterHeight, filterWidth, padInfo } = info;
  const top = filterHeight - 1 - padInfo.top;
  const bottom = info.inHeight + padInfo.top - info.outHeight;
  const left = filterWidth - 1 - padInfo.left;
  const right = info.inWidth + padInfo.left - info.outWidth;
  const plain =
    info.strideHeight * info.strideWidth * info.dilationHeight * info.dilationWidth === 1 && info.outChannels === info.inChannels;
  if (plain && Math.min(top, bottom, left, right) >= 0) {
    // The operation takes no padding side by side, so the zeros are added first.
    return tf.tidy(() => {
      // biome-ignore format: one axis each
      const framed = tf.pad(dy, [[0, 0], [top, bottom], [left, right], [0, 0]]);
      return tf.depthwiseConv2d(framed, tf.reverse(filter, [0, 1]), 1, 'valid');
    });
  }
  const channelOf = channelsOf(info);
  const dx = backend.makeOutput([...info.inShape], 'float32');
  const [dxs, dys, ws] = [floatsOf(backend, dx), floatsOf(backend, dy), floatsOf(backend, filter)];
  dxs.fill(0);
  eachTap(info, (xAt, dyAt, wAt) => {
    for (let o = 0; o < channelOf.length; o++) dxs[xAt + channelOf[o]!]! += ws[wAt + o]! * dys[dyAt + o]!;
  });
  return dx;
};

export const depthwiseGradients: readonly WasmKernel[] = [
  { name: tf.DepthwiseConv2dNativeBackpropFilter, build: () => filterGradient },
  { name: tf.DepthwiseConv2dNativeBackpropInput, build: () => inputGradient },
];
