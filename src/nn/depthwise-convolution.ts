/** A depthwise convolution as PyTorch makes it: one 3x3 filter for each channel, one pixel of padding on each side, no bias. */

import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';

export interface DepthwiseOptions {
  readonly name: string;
  readonly strides: number;
}

/** Stride 2 has a layer `NAME-pad` before it: tfjs's own `same` would pad on the right and below only. */
export function depthwiseConvolution(x: SymbolicTensor, { name, strides }: DepthwiseOptions): SymbolicTensor {
  const padded = strides > 1 ? layers.zeroPadding2d({ name: `${name}-pad`, padding: 1 }).apply(x) : x;
  const padding = strides > 1 ? 'valid' : 'same';
  const options = { name, kernelSize: 3, strides, padding, useBias: false, depthwiseInitializer: 'zeros' } as const;
  return layers.depthwiseConv2d(options).apply(padded) as SymbolicTensor;
}
