/**
 * The CIFAR ResNets (He et al., arXiv 1512.03385, section 4.2): three stages of (depth - 2) / 6 blocks with 16, 32 and 64
 * channels; and those of four times the width, as the tables of distillation have them (RepDistiller, arXiv 1910.10699): 64, 128
 * and 256 channels after a stem of 32, with shortcuts of option B.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import type { ResnetDepth } from './names.js';
import { add, classifier, convolution, norm, relu } from './picture-layers.js';

const options = z.strictObject({
  /** The shortcut of a block that changes its shape: A subsamples and pads with zero channels, B is a 1x1 convolution with BatchNorm. */
  shortcut: z.enum(['A', 'B']).default('A'),
});

type Shortcut = z.infer<typeof options>['shortcut'];

/** The ResNet of a depth. With shortcut A, on CIFAR-10: 269,722 trainable parameters at depth 20, 853,018 at 56. */
export function resnet(depth: ResnetDepth): ModelFamily {
  const design = { name: `resnet${depth}`, depth, stem: 16, stages: [16, 32, 64] };
  return family({ options, build: (context, { shortcut }) => build(context, { ...design, shortcut }) });
}

/** The ResNet of four times the width. On CIFAR-100: 1,233,540 trainable parameters at depth 8, 7,433,860 at 32. */
export function resnetX4(depth: 8 | 32): ModelFamily {
  const design: Design = { name: `resnet${depth}x4`, depth, stem: 32, stages: [64, 128, 256], shortcut: 'B' };
  return family({ options: z.strictObject({}), build: (context) => build(context, design) });
}

interface Design {
  readonly name: string;
  readonly depth: number;
  /** The channels of the first convolution, and of each stage. */
  readonly stem: number;
  readonly stages: readonly number[];
  readonly shortcut: Shortcut;
}

function build({ inputShape, classes, seed }: BuildContext, { name, depth, stem, stages, shortcut }: Design): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = relu(norm(convolution(start, { name: 'stem.conv', filters: stem }), 'stem.norm'), 'stem.relu');
  stages.forEach((channels, stage) => {
    for (let i = 0; i < (depth - 2) / 6; i++) {
      const strides = stage > 0 && i === 0 ? 2 : 1;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels, strides, shortcut });
    }
  });
  const built = model({ name, inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'kaiming', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  readonly channels: number;
  /** 2 for a block that halves the picture. */
  readonly strides: 1 | 2;
  readonly shortcut: Shortcut;
}

function block(x: SymbolicTensor, { name, channels, strides, shortcut }: BlockOptions): SymbolicTensor {
  let y = convolution(x, { name: `${name}.conv1`, filters: channels, strides });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  y = norm(convolution(y, { name: `${name}.conv2`, filters: channels }), `${name}.norm2`);
  let direct = x;
  if (strides > 1 || x.shape[3] !== channels) {
    direct = shortcut === 'A' ? paddedShortcut(x, name) : projectedShortcut(x, { name, channels, strides });
  }
  return relu(add(y, direct, `${name}.add`), `${name}.relu2`);
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

function projectedShortcut(x: SymbolicTensor, { name, channels, strides }: Omit<BlockOptions, 'shortcut'>): SymbolicTensor {
  return norm(convolution(x, { name: `${name}.project`, filters: channels, kernelSize: 1, strides }), `${name}.project-norm`);
}
