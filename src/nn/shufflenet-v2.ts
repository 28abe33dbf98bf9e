/**
 * ShuffleNetV2 of size 1 (Ma et al., arXiv 1807.11164) for small pictures, as the tables of distillation have it (RepDistiller, arXiv
 * 1910.10699): a 1x1 stem without halving, three stages, which halve the picture, and a last 1x1 convolution. A block leaves half of its
 * channels as they are and convolves the others; the first of a stage convolves all of them twice, in two branches. A shuffle follows each.
 * The initialisation is PyTorch's default.
 */

import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { channels, concatenate, shuffle } from './channel-layers.js';
import { depthwiseConvolution } from './depthwise-convolution.js';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { classifier, convolution, norm, relu } from './picture-layers.js';

/** Each stage has its channels and its number of blocks. */
const STAGES = [
  [116, 4],
  [232, 8],
  [464, 4],
] as const;
const STEM_CHANNELS = 24;
const LAST_CHANNELS = 1024;

/** On CIFAR-100: 1,355,528 trainable parameters. */
export const shufflenetV2: ModelFamily = family({ options: z.strictObject({}), build });

function build({ inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = pointwise(start, { name: 'stem.conv', norm: 'stem.norm', relu: 'stem.relu', filters: STEM_CHANNELS });
  STAGES.forEach(([filters, blocks], stage) => {
    for (let i = 0; i < blocks; i++) x = block(x, { name: `stage${stage + 1}.block${i + 1}`, half: filters / 2, isFirst: i === 0 });
  });
  x = pointwise(x, { name: 'last.conv', norm: 'last.norm', relu: 'last.relu', filters: LAST_CHANNELS });
  const built = model({ name: 'shufflenetv2', inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'torch', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  /** Half of the channels of the output. */
  readonly half: number;
  /** The first block of a stage halves the picture. */
  readonly isFirst: boolean;
}

function block(x: SymbolicTensor, { name, half, isFirst }: BlockOptions): SymbolicTensor {
  const strides = isFirst ? 2 : 1;
  const left = isFirst ? shortcut(x, { name, half }) : channels(x, { name: `${name}.keep`, from: 0, to: half });
  let y = isFirst ? x : channels(x, { name: `${name}.take`, from: half, to: 2 * half });
  y = pointwise(y, { name: `${name}.conv1`, norm: `${name}.norm1`, relu: `${name}.relu1`, filters: half });
  y = norm(depthwiseConvolution(y, { name: `${name}.depthwise`, strides }), `${name}.norm2`);
  y = pointwise(y, { name: `${name}.conv2`, norm: `${name}.norm3`, relu: `${name}.relu2`, filters: half });
  return shuffle(concatenate([left, y], `${name}.join`), { name: `${name}.shuffle`, groups: 2 });
}

/** The left branch of a block that halves the picture. */
function shortcut(x: SymbolicTensor, { name, half }: { readonly name: string; readonly half: number }): SymbolicTensor {
  const y = norm(depthwiseConvolution(x, { name: `${name}.left-depthwise`, strides: 2 }), `${name}.left-norm1`);
  return pointwise(y, { name: `${name}.left-conv`, norm: `${name}.left-norm2`, relu: `${name}.left-relu`, filters: half });
}

/** The names of a 1x1 convolution and of the layers after it, and its channels. */
interface PointwiseOptions {
  readonly name: string;
  readonly norm: string;
  readonly relu: string;
  readonly filters: number;
}

function pointwise(x: SymbolicTensor, names: PointwiseOptions): SymbolicTensor {
  const convolved = convolution(x, { name: names.name, filters: names.filters, kernelSize: 1 });
  return relu(norm(convolved, names.norm), names.relu);
}
