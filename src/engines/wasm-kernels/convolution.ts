/** Conv2D, alone and with bias and ReLU, by the loops of ./convolution-loop.ts. tfjs's own kernel runs the other cases. */

import * as tf from '@tensorflow/tfjs-core';
import { type ConvolutionInfo, describeConvolution } from './convolution-info.js';
import { convolve } from './convolution-loop.js';
import type { Windows } from './input-band.js';
import { addressOf } from './loop-module.js';
import type { KernelBody, WasmKernel } from './wasm-kernel.js';

/** The windows of a convolution's forward pass. */
export function windowsOf(info: ConvolutionInfo): Windows {
  const { padInfo } = info;
  return { ...info, batch: info.batchSize, top: padInfo.top, left: padInfo.left };
}

const convolution =
  (stock: KernelBody): KernelBody =>
  (call) => {
    const { backend, attrs } = call;
    const { x, filter, bias, preluActivationWeights } = call.inputs as Record<'x' | 'filter', tf.Tensor4D> & Record<string, tf.Tensor>;
    const activation = attrs.activation ?? 'linear';
    const plain = [attrs.dilations ?? 1].flat().every((dilation) => dilation === 1) && (attrs.dataFormat ?? 'NHWC') === 'NHWC';
    const fits = bias === undefined || bias === null || (bias.rank === 1 && bias.size === filter.shape[3]);
    if (!plain || !fits || preluActivationWeights || (activation !== 'linear' && activation !== 'relu')) return stock(call);
    const info = describeConvolution({ inputShape: x.shape, filterShape: filter.shape, attrs, depthwise: false });
    const y = backend.makeOutput([...info.outShape], 'float32');
    const { inChannels, outChannels, filterWidth } = info;
    const row = 4 * info.outWidth * outChannels;
    convolve(backend, {
      windows: windowsOf(info),
      outChannels,
      x: addressOf(backend, x),
      filter,
      view: { start: 0, row: filterWidth * inChannels * outChannels, column: inChannels * outChannels, input: outChannels, output: 1 },
      bias: bias ?? null,
      floor: activation === 'relu' ? 0 : Number.NEGATIVE_INFINITY,
      y: addressOf(backend, y),
      yPixel: 4 * outChannels,
      yRow: row,
      yImage: info.outHeight * row,
    });
    return y;
  };

export const convolutions: readonly WasmKernel[] = [tf.Conv2D, tf.FusedConv2D].map((name) => ({
  name,
  build: (stock) => convolution(stock(name)),
}));
