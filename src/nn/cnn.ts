/**
 * Small convolutional networks for small pictures: 3x3 convolutions with ReLU, each halving the picture by pooling or by
 * its stride, then at most one hidden layer. Padding is one pixel on each side, as PyTorch's `padding=1`.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise, ZEROS } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';

const options = z.strictObject({
  /** Channels of each convolution, separated by commas: "8,16". */
  channels: z
    .string()
    .regex(/^\d+(,\d+)*$/, 'whole numbers with commas, such as "8,16"')
    .default('8,16'),
  /** How a convolution halves the picture: by max pooling of 2x2 after it, or by a stride of 2. */
  down: z.enum(['pool', 'stride']).default('pool'),
  /** The number of units of the hidden layer; 0 for no hidden layer. */
  hidden: z.int().min(0).default(64),
});

type CnnOptions = z.infer<typeof options>;

/** The family with all options. */
export const cnn: ModelFamily = family({ options, build });

/** 52,138 parameters on 28x28x1 and 10 classes. */
export const cnnTeacher: ModelFamily = preset({ channels: '8,16', down: 'pool', hidden: 64 });

/** 4,266 parameters on 28x28x1 and 10 classes. */
export const cnnStudent: ModelFamily = preset({ channels: '4,8', down: 'stride', hidden: 0 });

function preset(fixed: CnnOptions): ModelFamily {
  return family({ options: z.strictObject({}), build: (context) => build(context, fixed) });
}

function build({ inputShape, classes, seed }: BuildContext, { channels, down, hidden }: CnnOptions): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = start;
  channels.split(',').forEach((text, i) => {
    const filters = Number(text);
    x = down === 'pool' ? pooledConvolution(x, i + 1, filters) : stridedConvolution(x, i + 1, filters);
  });
  if (x.shape.includes(0))
    throw new Error(`Nothing is left of the image after ${channels.split(',').length} halvings: give fewer channels`);
  x = layers.flatten({ name: 'flatten' }).apply(x) as SymbolicTensor;
  if (hidden > 0) x = layers.dense({ name: 'hidden', units: hidden, activation: 'relu', ...ZEROS }).apply(x) as SymbolicTensor;
  x = layers.dense({ name: 'logits', units: classes, ...ZEROS }).apply(x) as SymbolicTensor;
  const built = model({ name: 'cnn', inputs: start, outputs: x });
  initialise(built, 'torch', seed);
  return built;
}

function pooledConvolution(x: SymbolicTensor, index: number, filters: number): SymbolicTensor {
  const convolution = { name: `conv${index}`, filters, kernelSize: 3, padding: 'same', activation: 'relu', ...ZEROS } as const;
  const y = layers.conv2d(convolution).apply(x);
  return layers.maxPooling2d({ name: `pool${index}`, poolSize: 2, strides: 2 }).apply(y) as SymbolicTensor;
}

/** Pads by a layer of its own, because tfjs's `same` pads a stride of 2 on the right and below only. */
function stridedConvolution(x: SymbolicTensor, index: number, filters: number): SymbolicTensor {
  const y = layers.zeroPadding2d({ name: `pad${index}`, padding: 1 }).apply(x);
  const convolution = { name: `conv${index}`, filters, kernelSize: 3, strides: 2, activation: 'relu', ...ZEROS } as const;
  return layers.conv2d(convolution).apply(y) as SymbolicTensor;
}
