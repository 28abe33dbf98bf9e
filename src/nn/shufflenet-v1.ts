/**
 * ShuffleNet (Zhang et al., arXiv 1707.01083, with 3 groups) for small pictures, as the tables of distillation have it (RepDistiller, arXiv
 * 1910.10699): a 1x1 stem without halving, then three stages, which halve the picture. A block convolves in groups, shuffles the channels,
 * convolves each channel alone, and convolves in groups again; a ReLU follows the depthwise convolution, too. The first block of a stage
 * puts the mean of its input's 3x3 windows, with padding, after its own channels. The initialisation is PyTorch's default.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { concatenate, groupedConvolution, shuffle } from './channel-layers.js';
import { depthwiseConvolution } from './depthwise-convolution.js';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { add, classifier, convolution, norm, relu } from './picture-layers.js';

const STEM_CHANNELS = 24;
const GROUPS = 3;
/** Each stage has its channels and its number of blocks. */
const STAGES = [
  [240, 4],
  [480, 8],
  [960, 4],
] as const;

/** On CIFAR-100: 949,258 trainable parameters. */
export const shufflenetV1: ModelFamily = family({ options: z.strictObject({}), build });

function build({ inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = relu(norm(convolution(start, { name: 'stem.conv', filters: STEM_CHANNELS, kernelSize: 1 }), 'stem.norm'), 'stem.relu');
  STAGES.forEach(([channels, blocks], stage) => {
    for (let i = 0; i < blocks; i++) {
      // The few channels of the stem are not divided.
      const groups = stage === 0 && i === 0 ? 1 : GROUPS;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels, strides: i === 0 ? 2 : 1, groups });
    }
  });
  const built = model({ name: 'shufflenetv1', inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'torch', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  /** The channels of the output. */
  readonly channels: number;
  /** 2 for a block that halves the picture. */
  readonly strides: 1 | 2;
  /** Those of the first convolution. */
  readonly groups: number;
}

function block(x: SymbolicTensor, { name, channels, strides, groups }: BlockOptions): SymbolicTensor {
  const filters = strides === 2 ? channels - (x.shape[3] as number) : channels;
  let y = groupedConvolution(x, { name: `${name}.conv1`, filters: Math.floor(filters / 4), groups });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  if (groups > 1) y = shuffle(y, { name: `${name}.shuffle`, groups });
  y = relu(norm(depthwiseConvolution(y, { name: `${name}.depthwise`, strides }), `${name}.norm2`), `${name}.relu2`);
  y = norm(groupedConvolution(y, { name: `${name}.conv2`, filters, groups: GROUPS }), `${name}.norm3`);
  const joined = strides === 2 ? concatenate([y, halved(x, name)], `${name}.join`) : add(y, x, `${name}.add`);
  return relu(joined, `${name}.relu3`);
}

/** The mean of 3x3 windows. The zeros of the padding count, as in PyTorch. */
function halved(x: SymbolicTensor, name: string): SymbolicTensor {
  const padded = layers.zeroPadding2d({ name: `${name}.mean-pad`, padding: 1 }).apply(x);
  return layers.averagePooling2d({ name: `${name}.mean`, poolSize: 3, strides: 2, padding: 'valid' }).apply(padded) as SymbolicTensor;
}
