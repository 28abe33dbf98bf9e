/**
 * MobileNetV1 (Howard et al., arXiv 1704.04861, table 1) at width 1: a 3x3 convolution of stride 2, then 13 blocks of a depthwise and a 1x1
 * convolution, each with BatchNorm and ReLU. The paper gives no initialisation: it is PyTorch's default, as in the tables of distillation.
 */

import { input, type LayersModel, model } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { depthwiseConvolution } from './depthwise-convolution.js';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { classifier, convolution, norm, relu } from './picture-layers.js';

/** The channels of each block. A block whose input has fewer halves the picture, but for the first. */
const CHANNELS = [64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024] as const;

/** With 1000 classes: 4,231,976 trainable parameters. */
export const mobilenetV1: ModelFamily = family({ options: z.strictObject({}), build });

function build({ inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = relu(norm(convolution(start, { name: 'stem.conv', filters: 32, strides: 2 }), 'stem.norm'), 'stem.relu');
  CHANNELS.forEach((filters, i) => {
    const name = `block${i + 1}`;
    const strides = i > 0 && filters > (CHANNELS[i - 1] as number) ? 2 : 1;
    x = relu(norm(depthwiseConvolution(x, { name: `${name}.depthwise`, strides }), `${name}.norm1`), `${name}.relu1`);
    x = relu(norm(convolution(x, { name: `${name}.pointwise`, filters, kernelSize: 1 }), `${name}.norm2`), `${name}.relu2`);
  });
  const built = model({ name: 'mobilenetv1', inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'torch', seed);
  return built;
}
