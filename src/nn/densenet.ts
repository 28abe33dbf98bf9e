/**
 * DenseNet-BC (Huang et al., arXiv 1608.06993) for small pictures: growth 12, depth 100, three stages of 16 blocks. A block puts the few
 * channels that it makes after all channels that it reads; before them it narrows what it reads by a 1x1 convolution to four times the
 * growth. Between two stages a 1x1 convolution halves the channels and a mean the picture. BatchNorm and ReLU come before each
 * convolution. Without dropout, as the paper trains on images that are shifted and mirrored; initialised as a wide ResNet.
 */

import { input, type LayersModel, layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { concatenate } from './channel-layers.js';
import { initialise } from './initialise.js';
import { type BuildContext, family, type ModelFamily } from './model-family.js';
import { classifier, convolution, norm, relu } from './picture-layers.js';

const GROWTH = 12;
const STAGES = 3;
/** The blocks of a stage. A block has two convolutions: 3 x 16 x 2 and the stem, two transitions and the classifier are 100 layers. */
const BLOCKS = 16;

/** With 10 classes: 769,162 trainable parameters; with 100: 800,032. */
export const densenetBc: ModelFamily = family({ options: z.strictObject({}), build });

function build({ inputShape, classes, seed }: BuildContext): LayersModel {
  const start = input({ shape: [...inputShape], name: 'image' });
  let x = convolution(start, { name: 'stem.conv', filters: 2 * GROWTH });
  for (let stage = 1; stage <= STAGES; stage++) {
    for (let i = 1; i <= BLOCKS; i++) x = block(x, `stage${stage}.block${i}`);
    if (stage < STAGES) x = transition(x, `stage${stage}`);
  }
  x = relu(norm(x, 'last.norm'), 'last.relu');
  const built = model({ name: 'densenet-bc', inputs: start, outputs: classifier(x, classes) });
  initialise(built, 'kaiming-zero-bias', seed);
  return built;
}

function block(x: SymbolicTensor, name: string): SymbolicTensor {
  const narrowed = { name: `${name}.conv1`, filters: 4 * GROWTH, kernelSize: 1 };
  let y = convolution(relu(norm(x, `${name}.norm1`), `${name}.relu1`), narrowed);
  y = convolution(relu(norm(y, `${name}.norm2`), `${name}.relu2`), { name: `${name}.conv2`, filters: GROWTH });
  return concatenate([x, y], `${name}.join`);
}

function transition(x: SymbolicTensor, name: string): SymbolicTensor {
  const halved = { name: `${name}.conv`, filters: (x.shape[3] as number) / 2, kernelSize: 1 };
  const y = convolution(relu(norm(x, `${name}.norm`), `${name}.relu`), halved);
  return layers.averagePooling2d({ name: `${name}.pool`, poolSize: 2 }).apply(y) as SymbolicTensor;
}
