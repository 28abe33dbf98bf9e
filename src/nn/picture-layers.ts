/**
 * The layers that the larger models share, as PyTorch makes them: a convolution pads half its kernel on each side, BatchNorm has epsilon
 * 1e-5 and, in tfjs's sense, a momentum of .9 (.1 in PyTorch's). All are stock layers of tfjs, so that a saved model opens anywhere.
 */

import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { ZEROS } from './initialise.js';

export interface ConvolutionOptions {
  readonly name: string;
  readonly filters: number;
  /** By default 3. */
  readonly kernelSize?: number;
  /** By default 1. */
  readonly strides?: number;
  /** By default none, because a BatchNorm follows that would remove it. */
  readonly useBias?: boolean;
}

/** A convolution that pads half its kernel on each side. tfjs's own `same` would pad a stride of 2 on the right and below only. */
export function convolution(x: SymbolicTensor, options: ConvolutionOptions): SymbolicTensor {
  const { name, filters, kernelSize = 3, strides = 1, useBias = false } = options;
  const isPaddedBefore = strides > 1 && kernelSize > 1;
  const padded = isPaddedBefore ? layers.zeroPadding2d({ name: `${name}-pad`, padding: (kernelSize - 1) / 2 }).apply(x) : x;
  const padding = isPaddedBefore ? 'valid' : 'same';
  return layers.conv2d({ name, filters, kernelSize, strides, padding, useBias, ...ZEROS }).apply(padded) as SymbolicTensor;
}

/** BatchNorm over the channels. */
export function norm(x: SymbolicTensor, name: string): SymbolicTensor {
  return layers.batchNormalization({ name, epsilon: 1e-5, momentum: 0.9 }).apply(x) as SymbolicTensor;
}

/** ReLU as a layer of its own, whose output can be tapped. */
export function relu(x: SymbolicTensor, name: string): SymbolicTensor {
  return layers.activation({ name, activation: 'relu' }).apply(x) as SymbolicTensor;
}

/** The sum of two tensors of one shape. */
export function add(x: SymbolicTensor, y: SymbolicTensor, name: string): SymbolicTensor {
  return layers.add({ name }).apply([x, y]) as SymbolicTensor;
}

/** The end of most models: the mean over the picture, `pool`, and a dense layer without activation, `logits`. */
export function classifier(x: SymbolicTensor, classes: number): SymbolicTensor {
  const pooled = layers.globalAveragePooling2d({ name: 'pool' }).apply(x);
  return layers.dense({ name: 'logits', units: classes, ...ZEROS }).apply(pooled) as SymbolicTensor;
}
