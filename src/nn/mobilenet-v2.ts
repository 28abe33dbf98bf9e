/**
 * MobileNetV2 for small pictures (Sandler et al., arXiv 1801.04381), as the tables of distillation have it (RepDistiller, arXiv 1910.10699):
 * half the width, rounded down, but for the last convolution; ReLU, not ReLU6; the picture is halved by the stem and in the stages 3, 4
 * and 6. A block widens its input six times, convolves each channel alone, and ends with a 1x1 convolution without activation.
 */

import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { depthwiseConvolution } from './depthwise-convolution.js';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { add, classifier, convolution, norm, relu } from './picture-layers.js';

const WIDTH = 0.5;
const EXPANSION = 6;
const LAST_CHANNELS = 1280;
/** Each stage has its channels at full width, its number of blocks, and the stride of the first block. */
const STAGES = [
  [16, 1, 1],
  [24, 2, 1],
  [32, 3, 2],
  [64, 4, 2],
  [96, 3, 1],
  [160, 3, 2],
  [320, 1, 1],
] as const;

/** On CIFAR-100: 812,836 trainable parameters. */
export const mobilenetV2: ModelFamily = family({ options: z.strictObject({}), build });

function build({ inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = relu(norm(convolution(start, { name: 'stem.conv', filters: 32 * WIDTH, strides: 2 }), 'stem.norm'), 'stem.relu');
  STAGES.forEach(([channels, blocks, strides], stage) => {
    for (let i = 0; i < blocks; i++) {
      const expansion = stage === 0 ? 1 : EXPANSION;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels: channels * WIDTH, strides: i === 0 ? strides : 1, expansion });
    }
  });
  x = relu(norm(convolution(x, { name: 'last.conv', filters: LAST_CHANNELS, kernelSize: 1 }), 'last.norm'), 'last.relu');
  const built = model({ name: 'mobilenetv2', inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'normal-head', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  readonly channels: number;
  /** 2 for a block that halves the picture. */
  readonly strides: 1 | 2;
  /** The channels of the depthwise convolution, in multiples of those of the input. */
  readonly expansion: number;
}

function block(x: SymbolicTensor, { name, channels, strides, expansion }: BlockOptions): SymbolicTensor {
  const before = x.shape[3] as number;
  let y = convolution(x, { name: `${name}.expand`, filters: before * expansion, kernelSize: 1 });
  y = relu(norm(y, `${name}.norm1`), `${name}.relu1`);
  y = relu(norm(depthwiseConvolution(y, { name: `${name}.depthwise`, strides }), `${name}.norm2`), `${name}.relu2`);
  y = norm(convolution(y, { name: `${name}.reduce`, filters: channels, kernelSize: 1 }), `${name}.norm3`);
  return strides === 1 && before === channels ? add(y, x, `${name}.add`) : y;
}
