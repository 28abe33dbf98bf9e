/**
 * The ImageNet ResNets (He et al., arXiv 1512.03385, table 1) as torchvision has them: a 7x7 convolution of stride 2 and max pooling, four
 * stages from 64 channels on, shortcuts of option B. The blocks of depth 50 are bottlenecks, whose stride is on the 3x3 convolution.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { add, classifier, convolution, norm, relu } from './picture-layers.js';

const STAGES = { 18: [2, 2, 2, 2], 34: [3, 4, 6, 3], 50: [3, 4, 6, 3] } as const;

/** The ResNet of a depth. With 1000 classes: 11,689,512 trainable parameters at depth 18, 21,797,672 at 34, 25,557,032 at 50. */
export function imagenetResnet(depth: keyof typeof STAGES): ModelFamily {
  return family({ options: z.strictObject({}), build: (context) => build(context, depth) });
}

function build({ inputShape, classes, seed }: BuildContext, depth: keyof typeof STAGES): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = stem(start);
  const block = depth === 50 ? bottleneck : basicBlock;
  STAGES[depth].forEach((count, stage) => {
    for (let i = 0; i < count; i++) {
      const strides = stage > 0 && i === 0 ? 2 : 1;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels: 64 * 2 ** stage, strides });
    }
  });
  const built = model({ name: `resnet${depth}`, inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'kaiming', seed);
  return built;
}

/** The pooling's padding is zeros, where PyTorch's is minus infinity: after a ReLU the largest value is the same. */
function stem(image: SymbolicTensor): SymbolicTensor {
  const y = convolution(image, { name: 'stem.conv', filters: 64, kernelSize: 7, strides: 2 });
  const active = relu(norm(y, 'stem.norm'), 'stem.relu');
  const padded = layers.zeroPadding2d({ name: 'stem.pool-pad', padding: 1 }).apply(active);
  return layers.maxPooling2d({ name: 'stem.pool', poolSize: 3, strides: 2 }).apply(padded) as SymbolicTensor;
}

interface BlockOptions {
  readonly name: string;
  /** The channels of the 3x3 convolutions. */
  readonly channels: number;
  /** 2 for a block that halves the picture. */
  readonly strides: 1 | 2;
}

function basicBlock(x: SymbolicTensor, { name, channels, strides }: BlockOptions): SymbolicTensor {
  let y = convolution(x, { name: `${name}.conv1`, filters: channels, strides });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  y = norm(convolution(y, { name: `${name}.conv2`, filters: channels }), `${name}.norm2`);
  return relu(add(y, shortcut(x, { name, channels, strides }), `${name}.add`), `${name}.relu2`);
}

function bottleneck(x: SymbolicTensor, { name, channels, strides }: BlockOptions): SymbolicTensor {
  let y = convolution(x, { name: `${name}.conv1`, filters: channels, kernelSize: 1 });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  y = convolution(y, { name: `${name}.conv2`, filters: channels, strides });
  y = relu(norm(y, `${name}.norm2`), `${name}.relu2`);
  y = norm(convolution(y, { name: `${name}.conv3`, filters: 4 * channels, kernelSize: 1 }), `${name}.norm3`);
  return relu(add(y, shortcut(x, { name, channels: 4 * channels, strides }), `${name}.add`), `${name}.relu3`);
}

/** The block's input, in the shape of its output. */
function shortcut(x: SymbolicTensor, { name, channels, strides }: BlockOptions): SymbolicTensor {
  if (strides === 1 && x.shape[3] === channels) return x;
  return norm(convolution(x, { name: `${name}.project`, filters: channels, kernelSize: 1, strides }), `${name}.project-norm`);
}
