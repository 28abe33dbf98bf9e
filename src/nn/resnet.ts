/**
 * The CIFAR ResNets (He et al., arXiv 1512.03385, section 4.2): three stages of (depth - 2) / 6 blocks with 16, 32 and 64
 * channels. They use stock tfjs layers only, so that a saved model opens anywhere. BatchNorm is as in PyTorch: epsilon 1e-5, and .9
 * in tfjs's sense of momentum (.1 in PyTorch's). Convolutions have no bias, for BatchNorm would remove it.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise, ZEROS } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import type { ResnetDepth } from './names.js';

const options = z.strictObject({
  /** The shortcut of a block that changes its shape: A subsamples and pads with zero channels, B is a 1x1 convolution with BatchNorm. */
  shortcut: z.enum(['A', 'B']).default('A'),
});

type Shortcut = z.infer<typeof options>['shortcut'];

/** The ResNet of a depth. With shortcut A, on CIFAR-10: 269,722 trainable parameters at depth 20, 853,018 at 56. */
export function resnet(depth: ResnetDepth): ModelFamily {
  return family({ options, build: (context, { shortcut }) => build(depth, shortcut, context) });
}

function build(depth: ResnetDepth, shortcut: Shortcut, { inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = relu(norm(convolution(start, { name: 'stem.conv', filters: 16 }), 'stem.norm'), 'stem.relu');
  const blocks = (depth - 2) / 6;
  [16, 32, 64].forEach((channels, stage) => {
    for (let i = 0; i < blocks; i++) {
      const down = stage > 0 && i === 0;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels, down, shortcut });
    }
  });
  x = layers.globalAveragePooling2d({ name: 'pool' }).apply(x) as SymbolicTensor;
  x = layers.dense({ name: 'logits', units: classes, ...ZEROS }).apply(x) as SymbolicTensor;
  const built = model({ name: `resnet${depth}`, inputs: start, outputs: x });
  initialise(built, 'kaiming', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  readonly channels: number;
  /** Whether the block halves the picture and doubles the channels. */
  readonly down: boolean;
  readonly shortcut: Shortcut;
}

function block(x: SymbolicTensor, { name, channels, down, shortcut }: BlockOptions): SymbolicTensor {
  const strides = down ? 2 : 1;
  let y = convolution(x, { name: `${name}.conv1`, filters: channels, strides });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  y = norm(convolution(y, { name: `${name}.conv2`, filters: channels }), `${name}.norm2`);
  let direct = x;
  if (down) direct = shortcut === 'A' ? paddedShortcut(x, name) : projectedShortcut(x, name, channels);
  const sum = layers.add({ name: `${name}.add` }).apply([y, direct]) as SymbolicTensor;
  return relu(sum, `${name}.relu2`);
}

/**
 * Takes every second pixel, and adds zeros for the new channels, half of them on each side. Pooling with a window of one
 * pixel subsamples and has a gradient everywhere. With `channelsFirst`, ZeroPadding2D pads the last two axes; here the last
 * is the channels.
 */
function paddedShortcut(x: SymbolicTensor, name: string): SymbolicTensor {
  const added = (x.shape[3] as number) / 2;
  const y = layers.averagePooling2d({ name: `${name}.subsample`, poolSize: 1, strides: 2 }).apply(x);
  const padding: [[number, number], [number, number]] = [
    [0, 0],
    [added, added],
  ];
  return layers.zeroPadding2d({ name: `${name}.widen`, padding, dataFormat: 'channelsFirst' }).apply(y) as SymbolicTensor;
}

function projectedShortcut(x: SymbolicTensor, name: string, filters: number): SymbolicTensor {
  const convolution = layers.conv2d({ name: `${name}.project`, filters, kernelSize: 1, strides: 2, useBias: false, ...ZEROS });
  return norm(convolution.apply(x) as SymbolicTensor, `${name}.project-norm`);
}

interface ConvolutionOptions {
  readonly name: string;
  readonly filters: number;
  readonly strides?: number;
}

/** 3x3 with one pixel of padding on each side. tfjs's own `same` would pad a stride of 2 on the right and below only. */
function convolution(x: SymbolicTensor, { name, filters, strides = 1 }: ConvolutionOptions): SymbolicTensor {
  const padded = strides === 1 ? x : layers.zeroPadding2d({ name: `${name}-pad`, padding: 1 }).apply(x);
  const padding = strides === 1 ? 'same' : 'valid';
  const layer = layers.conv2d({ name, filters, kernelSize: 3, strides, padding, useBias: false, ...ZEROS });
  return layer.apply(padded) as SymbolicTensor;
}

function norm(x: SymbolicTensor, name: string): SymbolicTensor {
  return layers.batchNormalization({ name, epsilon: 1e-5, momentum: 0.9 }).apply(x) as SymbolicTensor;
}

function relu(x: SymbolicTensor, name: string): SymbolicTensor {
  return layers.activation({ name, activation: 'relu' }).apply(x) as SymbolicTensor;
}
