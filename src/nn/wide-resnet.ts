/**
 * Wide ResNets (Zagoruyko & Komodakis, arXiv 1605.07146): three stages of (depth - 4) / 6 blocks with 16, 32 and 64 times `width`
 * channels. BatchNorm and ReLU come before each convolution; a block that changes its shape begins with both on its shortcut, too, which is
 * a 1x1 convolution.
 */

import { input, type LayersModel, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { add, classifier, convolution, norm, relu } from './picture-layers.js';

/** WRN-depth-width. On CIFAR-100: 703,284 trainable parameters for 16-2, 569,780 for 40-1, 2,255,156 for 40-2. */
export function wideResnet(depth: 16 | 40, width: number): ModelFamily {
  return family({ options: z.strictObject({}), build: (context) => build(context, depth, width) });
}

function build({ inputShape, classes, seed }: BuildContext, depth: number, width: number): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = convolution(start, { name: 'stem.conv', filters: 16 });
  [16, 32, 64].forEach((channels, stage) => {
    for (let i = 0; i < (depth - 4) / 6; i++) {
      const strides = stage > 0 && i === 0 ? 2 : 1;
      x = block(x, { name: `stage${stage + 1}.block${i + 1}`, channels: channels * width, strides });
    }
  });
  x = relu(norm(x, 'last.norm'), 'last.relu');
  const built = model({ name: `wrn-${depth}-${width}`, inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'kaiming-zero-bias', seed);
  return built;
}

interface BlockOptions {
  readonly name: string;
  readonly channels: number;
  /** 2 for a block that halves the picture. */
  readonly strides: 1 | 2;
}

function block(x: SymbolicTensor, { name, channels, strides }: BlockOptions): SymbolicTensor {
  const active = relu(norm(x, `${name}.norm1`), `${name}.relu1`);
  let y = convolution(active, { name: `${name}.conv1`, filters: channels, strides });
  y = relu(norm(y, `${name}.norm2`), `${name}.relu2`);
  y = convolution(y, { name: `${name}.conv2`, filters: channels });
  const changes = strides > 1 || x.shape[3] !== channels;
  const direct = changes ? convolution(active, { name: `${name}.project`, filters: channels, kernelSize: 1, strides }) : x;
  return add(y, direct, `${name}.add`);
}
