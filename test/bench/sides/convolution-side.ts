/**
 * The measure of what tfjs's wasm backend can do: `convolution-side.js BATCH` runs the convolutions of a ResNet-20 forward
 * once per step, on the stock backend without any kernel of ours, on one thread.
 */

import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { profileEngine } from '../profile.js';
import { convolutionsOf } from '../resnet-work.js';
import { type SideProgram, serveSide } from '../side-program.js';

async function open(): Promise<SideProgram> {
  await tf.setBackend('wasm');
  const batch = Number(process.argv[2]);
  const cases = convolutionsOf(20).map(({ size, from, to, stride, times }) => ({
    x: tf.randomNormal<tf.Rank.R4>([batch, size * stride, size * stride, from]),
    filter: tf.randomNormal<tf.Rank.R4>([3, 3, from, to]),
    stride,
    times,
  }));
  const step = () => {
    for (const { x, filter, stride, times } of cases) {
      for (let i = 0; i < times; i++) tf.conv2d(x, filter, stride, 'same').dispose();
    }
  };
  return {
    name: "tfjs wasm's convolutions forward, FLOP for FLOP",
    gate: () => ({ numbers: [], arrays: {} }),
    step,
    profile: () => profileEngine(step),
  };
}

await serveSide(open);
