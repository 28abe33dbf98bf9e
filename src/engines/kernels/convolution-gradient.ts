/**
 * The gradients of a convolution, written as convolutions and matrix products, which the backend has fast.
 * Legend: x_NHWC input, dy_NPQO gradient of the output, w_KLCO filter (K by L taps). No dilation, NHWC: tfjs's own gradient
 * of Conv2D asks for nothing else.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
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

/** What a negative count of a frame cuts off. */
function cutOf({ top, bottom, left, right }: Frame): Frame {
  return { top: Math.max(0, -top), bottom: Math.max(0, -bottom), left: Math.max(0, -left), right: Math.max(0, -right) };
}

/** A stride-1 convolution of an image with zeros around it; `dilation` is the distance between the filter's taps. */
function convolve(x: tf.Tensor4D, filter: tf.Tensor4D, frame: Frame, dilation: [number, number]): tf.Tensor4D {
  const rows: [number, number] = [Math.max(0, frame.top), Math.max(0, frame.bottom)];
  const columns: [number, number] = [Math.max(0, frame.left), Math.max(0, frame.right)];
  return tf.conv2d(x, filter, 1, [[0, 0], rows, columns, [0, 0]], 'NHWC', dilation);
}

/**
 * dw[k,l,c,o] = sum over n,p,q of x[n, p*stride+k, q*stride+l, c] * dy[n,p,q,o]: a convolution whose images are the input's
 * channels, whose channels are the samples, and whose filter is dy with its taps a stride apart.
 */
const filterGradient: KernelBody = ({ inputs, attrs, backend }) => {
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
    const x_CHWN = channelsFirst(backend, x, cutOf(frame));
    const dy_PQNO = tf.transpose(dy, [1, 2, 0, 3]);
    const dw_CKLO = convolve(x_CHWN, dy_PQNO, frame, [strideHeight, strideWidth]);
    return tf.transpose(dw_CKLO, [1, 2, 0, 3]);
  });
};

/** Samples moved at a time: their lines stay in the cache until every channel of a pixel has been read. */
const SAMPLES_AT_ONCE = 8;

/** x_CHWN of x_NHWC without the rows and columns cut off, in half the time of tfjs's own Transpose. */
function channelsFirst(backend: BackendWasm, x: tf.Tensor4D, cut: Frame): tf.Tensor4D {
  const [samples, height, width, channels] = x.shape;
  const rows = height - cut.top - cut.bottom;
  const columns = width - cut.left - cut.right;
  const out = tf.engine().makeTensorFromTensorInfo(backend.makeOutput([channels, rows, columns, samples], 'float32'));
  const [from, to] = [floatsOf(backend, x), floatsOf(backend, out)];
  const imageSize = height * width * channels;
  for (let first = 0; first < samples; first += SAMPLES_AT_ONCE) {
    const count = Math.min(SAMPLES_AT_ONCE, samples - first);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const source = first * imageSize + ((row + cut.top) * width + column + cut.left) * channels;
        for (let c = 0; c < channels; c++) {
          const target = ((c * rows + row) * columns + column) * samples + first;
          for (let n = 0, at = source + c; n < count; n++, at += imageSize) to[target + n] = from[at]!;
        }
      }
    }
  }
  return out as tf.Tensor4D;
}

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
      const { top, bottom, left, right } = cutOf(frame);
      const [batch, rows, columns, channels] = dy.shape;
      const inner = tf.slice(dy, [0, top, left, 0], [batch, rows - top - bottom, columns - left - right, channels]);
      return convolve(inner, turned, frame, [1, 1]);
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
