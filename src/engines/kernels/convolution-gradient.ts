/**
 * The gradients of a convolution, written as convolutions and matrix products, which the backend has fast.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, w_KLCO filter (K by L taps). No dilation, NHWC: tfjs's own gradient
 * of Conv2D asks for nothing else.
 */

import * as tf from '@tensorflow/tfjs-core';
import { floatsOf, type KernelBody, type WasmKernel } from './wasm-kernel.js';

type ConvolutionInfo = tf.backend_util.Conv2DInfo;

/** Rows and columns of zeros around an image; a negative count cuts off so many. */
interface Frame {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

function describe(inputShape: unknown, filterShape: unknown, attrs: Record<string, unknown>): ConvolutionInfo {
  const format = tf.backend_util.convertConv2DDataFormat((attrs.dataFormat ?? 'NHWC') as 'NHWC');
  if (format !== 'channelsLast') throw new Error('the wasm engine has gradients of convolutions for channels-last images only');
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides as number,
    1,
    attrs.pad as number,
    attrs.dimRoundingMode as 'floor',
    false,
    format,
  );
}

/** A stride-1 convolution of a framed image; `dilation` is the distance between the filter's taps. */
function convolveFramed(x: tf.Tensor4D, filter: tf.Tensor4D, frame: Frame, dilation: [number, number]): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const cut = {
    top: Math.max(0, -frame.top),
    bottom: Math.max(0, -frame.bottom),
    left: Math.max(0, -frame.left),
    right: Math.max(0, -frame.right),
  };
  const inner =
    cut.top + cut.bottom + cut.left + cut.right === 0
      ? x
      : tf.slice(x, [0, cut.top, cut.left, 0], [batch, height - cut.top - cut.bottom, width - cut.left - cut.right, channels]);
  const padding: tf.backend_util.ExplicitPadding = [
    [0, 0],
    [frame.top + cut.top, frame.bottom + cut.bottom],
    [frame.left + cut.left, frame.right + cut.right],
    [0, 0],
  ];
  return tf.conv2d(inner, filter, 1, padding, 'NHWC', dilation);
}

/**
 * dw[k,l,c,o] = sum over n,p,q of x[n, p*stride+k, q*stride+l, c] * dy[n,p,q,o]: a convolution whose images are the input's
 * channels, whose channels are the samples, and whose filter is dy with its taps a stride apart.
 */
const filterGradient: KernelBody = ({ inputs, attrs }) => {
  const { x, dy } = inputs as { x: tf.Tensor4D; dy: tf.Tensor4D };
  const info = describe(x.shape, attrs.filterShape, attrs);
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth, inHeight, inWidth, padInfo } = info;
  return tf.tidy(() => {
    const { inChannels, outChannels } = info;
    if (isPointwise(info)) {
      const product = tf.matMul(tf.reshape(x, [-1, inChannels]), tf.reshape(dy, [-1, outChannels]), true);
      return tf.reshape(product, [1, 1, inChannels, outChannels]);
    }
    const frame = {
      top: padInfo.top,
      bottom: filterHeight + (outHeight - 1) * strideHeight - inHeight - padInfo.top,
      left: padInfo.left,
      right: filterWidth + (outWidth - 1) * strideWidth - inWidth - padInfo.left,
    };
    const x_CHWN = tf.transpose(x, [3, 1, 2, 0]);
    const dy_PQNO = tf.transpose(dy, [1, 2, 0, 3]);
    const dw_CKLO = convolveFramed(x_CHWN, dy_PQNO, frame, [strideHeight, strideWidth]);
    return tf.transpose(dw_CKLO, [1, 2, 0, 3]);
  });
};

/** dx: at stride 1 a convolution of dy with the filter turned by half a turn, else a product scattered back over the taps. */
const inputGradient: KernelBody = ({ inputs, attrs, backend }) => {
  const { dy, filter } = inputs as { dy: tf.Tensor4D; filter: tf.Tensor4D };
  const info = describe(attrs.inputShape, filter.shape, attrs);
  const { filterHeight, filterWidth, strideHeight, strideWidth, outHeight, outWidth, inHeight, inWidth, padInfo } = info;
  if (strideHeight === 1 && strideWidth === 1) {
    return tf.tidy(() => {
      const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]);
      const frame = {
        top: filterHeight - 1 - padInfo.top,
        bottom: inHeight + padInfo.top - outHeight,
        left: filterWidth - 1 - padInfo.left,
        right: inWidth + padInfo.left - outWidth,
      };
      return convolveFramed(dy, turned, frame, [1, 1]);
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

function isPointwise({ filterHeight, filterWidth, strideHeight, strideWidth, padInfo }: ConvolutionInfo): boolean {
  const { top, bottom, left, right } = padInfo;
  return filterHeight * filterWidth * strideHeight * strideWidth === 1 && top + bottom + left + right === 0;
}

export const convolutionGradients: readonly WasmKernel[] = [
  { name: tf.Conv2DBackpropFilter, build: () => filterGradient },
  { name: tf.Conv2DBackpropInput, build: () => inputGradient },
];
