/**
 * VGG for small pictures (Simonyan & Zisserman, arXiv 1409.1556, configurations B and D, and one of five convolutions), with BatchNorm, as
 * the tables of distillation have it (RepDistiller, arXiv 1910.10699): five groups of 3x3 convolutions with 64, 128, 256, 512 and 512
 * channels. The picture is halved after each of the first three, and after the fourth from 64 pixels on; the mean over the picture is the
 * input of the classifier.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { classifier, convolution, norm, relu } from './picture-layers.js';

const CHANNELS = [64, 128, 256, 512, 512] as const;
/** The convolutions of each group. */
const GROUPS = { 8: [1, 1, 1, 1, 1], 13: [2, 2, 2, 2, 2], 16: [2, 2, 3, 3, 3] } as const;
/** Three halvings leave one pixel of it. */
const LEAST_SIZE = 8;
/** From this size on, the picture is halved a fourth time. */
const LARGE = 64;

/** The VGG of a depth. On CIFAR-100: 3,965,028 trainable parameters at depth 8, 9,462,180 at 13, 14,774,436 at 16. */
export function vgg(depth: keyof typeof GROUPS): ModelFamily {
  return family({ options: z.strictObject({}), build: (context) => build(context, depth) });
}

function build({ inputShape, classes, seed }: BuildContext, depth: keyof typeof GROUPS): LayersModel {
  const size = Math.min(inputShape[0], inputShape[1]);
  if (size < LEAST_SIZE) throw new Error(`It halves the image three times: give images of ${LEAST_SIZE}x${LEAST_SIZE} or more`);
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = start as SymbolicTensor;
  GROUPS[depth].forEach((count, group) => {
    for (let i = 1; i <= count; i++) x = convolved(x, CHANNELS[group] as number, { group: `group${group + 1}`, index: i });
    if (group < 3 || (group === 3 && size >= LARGE)) {
      x = layers.maxPooling2d({ name: `group${group + 1}.pool`, poolSize: 2, strides: 2 }).apply(x) as SymbolicTensor;
    }
  });
  const built = model({ name: `vgg${depth}`, inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'normal-head', seed);
  return built;
}

/** A convolution with a bias, BatchNorm and ReLU; `index` counts from 1 within its group. */
function convolved(x: SymbolicTensor, filters: number, { group, index }: { group: string; index: number }): SymbolicTensor {
  const y = convolution(x, { name: `${group}.conv${index}`, filters, useBias: true });
  return relu(norm(y, `${group}.norm${index}`), `${group}.relu${index}`);
}
