/** The geometry of a convolution, from the shapes and attributes that tfjs passes to a kernel. */

import * as tf from '@tensorflow/tfjs-core';

export type ConvolutionInfo = tf.backend_util.Conv2DInfo;
type Shape4 = [number, number, number, number];

/** tfjs's attributes of a convolution or its gradient, with the shapes of the input and the filter. */
export interface Geometry {
  readonly inputShape: readonly number[];
  readonly filterShape: readonly number[];
  readonly attrs: Record<string, unknown>;
  readonly depthwise: boolean;
}

/** Computes sizes, strides and paddings. Throws for channels-first images; the backend has no convolution for them either. */
export function describeConvolution({ inputShape, filterShape, attrs, depthwise }: Geometry): ConvolutionInfo {
  const { strides, dilations, pad, dimRoundingMode, dataFormat } = attrs;
  const format = tf.backend_util.convertConv2DDataFormat((dataFormat ?? 'NHWC') as 'NHWC');
  if (format !== 'channelsLast') throw new Error('the wasm engine has gradients of convolutions for channels-last images only');
  return tf.backend_util.computeConv2DInfo(
    inputShape as Shape4,
    filterShape as Shape4,
    strides as number,
    (dilations ?? 1) as number,
    pad as number,
    dimRoundingMode as 'floor',
    depthwise,
    format,
  );
}
