/**
 * The gradients of max and average pooling: each window adds its gradient to the pixels that it covers. tfjs's own kernel for
 * max pooling takes the padding for pixels of value zero, and so loses gradients at the border.
 * Legend: x_NHWC input, y_NPQC output, dx and dy their gradients.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { FunctionCode, i32, type Lanes, type Local, moving } from './assembler.js';
import { BLOCKS, cutIntoBlocks, mapKeys } from './column-block.js';
import { addressOf, loopOn } from './loop-module.js';
import { clearMemory } from './memory-loop.js';
import { type KernelBody, makeVector, type WasmKernel } from './wasm-kernel.js';

const WIDTHS = [4, 1] as const;

const STEPS = ['pixel', 'xLine', 'xRight', 'xDown', 'xImage', 'yDown', 'yImage'] as const;
const COUNTS = ['images', 'down', 'right', 'blocks', 'rows', 'columns'] as const;

/**
 * A loop over windows that all cover `rows` by `columns` pixels: `right` of them side by side and `down` one below the other,
 * on each image, for `blocks` blocks of channels. Steps are in bytes: `pixel` and `xLine` to the next pixel and line, the
 * others to the next window and image.
 */
function windowLoop(lanes: Lanes, isMax: boolean) {
  const code = new FunctionCode(['x', 'dx', 'y', 'dy', 'share', ...COUNTS, ...STEPS]);
  const { x, dx, y, dy, share, images, down, right, blocks, rows, columns } = code.parameters;
  const { pixel, xLine, xRight, xDown, xImage, yDown, yImage } = code.parameters;
  // The distances from x to dx, and from y to dy.
  const [dxAway, dyAway] = [code.variable('i32', i32.subtract(dx, x)), code.variable('i32', i32.subtract(dy, y))];
  const vector = () => code.variable(lanes.type, lanes.zero);
  const [left, most, value] = [vector(), vector(), vector()];
  const giveToPixel = (xAt: Local) => {
    const target = i32.add(xAt, dxAway);
    if (isMax) {
      // The first of equal maxima gets the whole gradient, as on tfjs's cpu backend.
      code.set(value, lanes.load(xAt));
      code.store(lanes, { address: target, value: lanes.add(lanes.load(target), lanes.whereEqual(value, most, left)) });
      code.set(left, lanes.whereDifferent(value, most, left));
    } else code.store(lanes, { address: target, value: lanes.add(lanes.load(target), left) });
  };
  const giveToBlock = (xBlock: Local, yBlock: Local) => {
    code.set(left, lanes.multiply(lanes.load(i32.add(yBlock, dyAway)), lanes.loadOne(share)));
    if (isMax) code.set(most, lanes.load(yBlock));
    code.walk(rows, [moving(xBlock, xLine)], (xRow) => code.walk(columns, [moving(xRow, pixel)], giveToPixel));
  };
  const block = i32.constant(4 * lanes.count);
  code.walk(images, [moving(x, xImage), moving(y, yImage)], (xOfImage, yOfImage) => {
    code.walk(down, [moving(xOfImage, xDown), moving(yOfImage, yDown)], (xOfRow, yOfRow) => {
      code.walk(right, [moving(xOfRow, xRight), moving(yOfRow, pixel)], (xWindow, yWindow) => {
        code.walk(blocks, [moving(xWindow, block), moving(yWindow, block)], giveToBlock);
      });
    });
  });
  return code;
}

const LOOPS = {
  max: mapKeys(WIDTHS, (width) => loopOn(() => windowLoop(BLOCKS[width].lanes, true))),
  average: mapKeys(WIDTHS, (width) => loopOn(() => windowLoop(BLOCKS[width].lanes, false))),
} as const;

/** Adjoining windows along one axis that cover the same number of pixels: `count` windows, from the index `first` on. */
interface WindowRun {
  readonly first: number;
  readonly count: number;
  /** The first pixel of the first window, and the number of pixels that each window covers. */
  readonly start: number;
  readonly length: number;
}

interface Axis {
  /** The number of windows. */
  readonly count: number;
  readonly stride: number;
  readonly filter: number;
  readonly padding: number;
  readonly size: number;
}

/** The windows along one axis, cut to the image and grouped into runs. */
function windowRuns(axis: Axis): WindowRun[] {
  const runs: WindowRun[] = [];
  for (let first = 0; first < axis.count; first++) {
    const from = first * axis.stride - axis.padding;
    const start = Math.max(0, from);
    const length = Math.max(0, Math.min(axis.size, from + axis.filter) - start);
    const last = runs.at(-1);
    if (last !== undefined && last.length === length && start === last.start + last.count * axis.stride) {
      runs[runs.length - 1] = { ...last, count: last.count + 1 };
    } else runs.push({ first, count: 1, start, length });
  }
  return runs;
}

interface PoolingGradient {
  readonly kind: keyof typeof LOOPS;
  readonly info: tf.backend_util.Conv2DInfo;
  readonly x: number;
  readonly dx: number;
  readonly y: number;
  readonly dy: number;
  /** Address of the share of a window's gradient that a pixel gets: 1 for max pooling, 1 / pixels of a window for average pooling. */
  readonly share: number;
}

function handBack(backend: BackendWasm, { kind, info, x, dx, y, dy, share }: PoolingGradient): void {
  const { batchSize, inHeight, inWidth, outHeight, outWidth, inChannels, strideHeight, strideWidth, padInfo } = info;
  const down = { count: outHeight, stride: strideHeight, filter: info.effectiveFilterHeight, padding: padInfo.top, size: inHeight };
  const across = { count: outWidth, stride: strideWidth, filter: info.effectiveFilterWidth, padding: padInfo.left, size: inWidth };
  const pixel = 4 * inChannels;
  const line = inWidth * pixel;
  for (const rows of windowRuns(down)) {
    for (const columns of windowRuns(across)) {
      for (const { width, start, blocks } of cutIntoBlocks(inChannels, WIDTHS)) {
        const from = rows.start * line + columns.start * pixel + 4 * start;
        const to = (rows.first * outWidth + columns.first) * pixel + 4 * start;
        LOOPS[kind][width](backend)({
          x: x + from,
          dx: dx + from,
          y: y + to,
          dy: dy + to,
          share,
          images: batchSize,
          down: rows.count,
          right: columns.count,
          blocks,
          rows: rows.length,
          columns: columns.length,
          pixel,
          xLine: line,
          xRight: strideWidth * pixel,
          xDown: strideHeight * line,
          xImage: inHeight * line,
          yDown: outWidth * pixel,
          yImage: outHeight * outWidth * pixel,
        });
      }
    }
  }
}

const gradient =
  (kind: keyof typeof LOOPS): KernelBody =>
  ({ inputs, attrs, backend }) => {
    // tfjs passes no output to the gradient of average pooling, and the loop does not read it then.
    const { dy, input, output = dy } = inputs as { dy: tf.Tensor4D; input: tf.Tensor4D; output?: tf.Tensor4D };
    const { filterSize, strides, pad, dimRoundingMode } = attrs as {
      filterSize: number;
      strides: number;
      pad: number;
      dimRoundingMode?: 'floor';
    };
    const info = tf.backend_util.computePool2DInfo(input.shape, filterSize, strides, 1, pad, dimRoundingMode);
    const dx = backend.makeOutput([...input.shape], 'float32');
    const part = kind === 'max' ? 1 : 1 / (info.filterHeight * info.filterWidth);
    const share = makeVector(backend, Float32Array.of(part));
    const [x, to, y, from] = [input, dx, output, dy].map((tensor) => addressOf(backend, tensor)) as [number, number, number, number];
    clearMemory(backend, to, 4 * input.size);
    handBack(backend, { kind, info, x, dx: to, y, dy: from, share: addressOf(backend, share) });
    backend.disposeData(share.dataId);
    return dx;
  };

export const poolingGradients: readonly WasmKernel[] = [
  { name: tf.MaxPoolGrad, build: () => gradient('max') },
  { name: tf.AvgPoolGrad, build: () => gradient('average') },
];
