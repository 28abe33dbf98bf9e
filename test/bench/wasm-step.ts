/**
 * How fast the engine `wasm` trains on images of CIFAR's shape: a ResNet-20's step (forward, backward, momentum) without a
 * teacher; a step of distillation, which is a frozen ResNet-56 forward and the same step with its logits; and the
 * ResNet-20's convolutions forward, as a measure of the machine. Rounds alternate them, so that what else runs there falls
 * on all alike. Then one step of distillation by kernel. Prints text; asserts that nothing leaks and the loss falls.
 *
 * `npm run bench` compiles and runs it, `npm run bench -- 32 3` with batches of 32 (128) and 3 rounds (5).
 */

import { strict as assert } from 'node:assert';
import { availableParallelism, loadavg } from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import type { StepProgram } from '../../src/engines/step-program.js';
import { buildModel } from '../../src/nn/build.js';
import { distilStage, noiseBatch, trainStage } from '../support/training.js';
import { type Elapsed, elapsed, median, profileKernels } from './measure.js';

const SHAPE = { inputShape: [32, 32, 3], classes: 10 } as const;
/** Of ResNet-20: size of the output, channels in and out, stride, and how many there are. */
const CONVOLUTIONS = [
  { size: 32, from: 3, to: 16, stride: 1, times: 1 },
  { size: 32, from: 16, to: 16, stride: 1, times: 6 },
  { size: 16, from: 16, to: 32, stride: 2, times: 1 },
  { size: 16, from: 32, to: 32, stride: 1, times: 5 },
  { size: 8, from: 32, to: 64, stride: 2, times: 1 },
  { size: 8, from: 64, to: 64, stride: 1, times: 5 },
];
const KNOBS = { rate: 0.02, temperature: 4, alpha: 0.9 };
const OPTIMIZER = { name: 'sgd', rate: KNOBS.rate, momentum: 0.9, nesterov: false, weightDecay: 1e-4, decayAll: false } as const;
const KERNELS_SHOWN = 16;

/** Floating point operations of the convolutions forward: two for each multiplication. */
function forwardOperations(batch: number): number {
  return CONVOLUTIONS.reduce((sum, { size, from, to, times }) => sum + times * 2 * batch * size * size * from * to * 9, 0);
}

/** Runs every convolution of the ResNet-20 forward once. */
function makeForward(batch: number): () => void {
  const cases = CONVOLUTIONS.map(({ size, from, to, stride, times }) => ({
    x: tf.randomNormal<tf.Rank.R4>([batch, size * stride, size * stride, from]),
    filter: tf.randomNormal<tf.Rank.R4>([3, 3, from, to]),
    stride,
    times,
  }));
  return () => {
    for (const { x, filter, stride, times } of cases) {
      for (let i = 0; i < times; i++) tf.conv2d(x, filter, stride, 'same').dispose();
    }
  };
}

/** A program over a new model. */
async function open(name: string, stage: Parameters<typeof buildEagerStep>[0]['stage']): Promise<StepProgram> {
  const model = await buildModel({ name, options: {} }, { ...SHAPE, seed: 1 });
  return buildEagerStep({ model, stage, inputShape: SHAPE.inputShape });
}

/** What is measured, each over one batch. */
async function makeWorks(batch: number) {
  const samples = noiseBatch(1, { ...SHAPE, size: batch });
  const alone = await open('resnet20', trainStage({ optimizer: OPTIMIZER }));
  const taught = await open('resnet20', distilStage({ optimizer: OPTIMIZER }));
  const teacher = await open('resnet56', null);
  const losses = { alone: [] as number[], taught: [] as number[] };
  return {
    losses,
    step: () => void losses.alone.push(alone.step(samples, KNOBS).lossSum),
    distil() {
      const targets = teacher.predict(samples.images, batch);
      losses.taught.push(taught.step({ ...samples, targets }, KNOBS).lossSum);
    },
    teach: () => void teacher.predict(samples.images, batch),
    forward: makeForward(batch),
  };
}

const batch = Number(process.argv[2] ?? 128);
const rounds = Number(process.argv[3] ?? 5);
const { note } = await openEngine('wasm');
const works = await makeWorks(batch);
// The first time is not counted: memory grows, and code is compiled.
works.step();
works.distil();
works.forward();
const tensors = tf.memory().numTensors;
const times = Array.from({ length: rounds }, () => ({
  step: elapsed(works.step),
  distil: elapsed(works.distil),
  teach: elapsed(works.teach),
  forward: elapsed(works.forward),
}));
assert.equal(tf.memory().numTensors, tensors, 'a step leaves tensors behind');
for (const [name, losses] of Object.entries(works.losses)) {
  assert.ok(losses.at(-1)! < losses[0]!, `the loss does not fall (${name}): ${losses.join(' ')}`);
}

const medianOf = (name: keyof (typeof times)[number], kind: keyof Elapsed): number => median(times.map((time) => time[name][kind]));

function tell(what: string, name: keyof (typeof times)[number]): void {
  const rates = (['wall', 'processor'] as const).map((kind) => {
    const ms = medianOf(name, kind);
    return `${ms.toFixed(0).padStart(6)} ms ${((batch / ms) * 1000).toFixed(1).padStart(7)} images/s (${kind})`;
  });
  console.log(`${what.padEnd(36)} ${rates.join('   ')}`);
}

console.log(note);
console.log(`batch ${batch}, medians of ${rounds}; load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} processors`);
tell('step of ResNet-20', 'step');
tell('ResNet-56 forward + step of ResNet-20', 'distil');
tell('ResNet-56 forward', 'teach');
const forwardMs = medianOf('forward', 'processor');
const ratios = times.map(({ step, forward }) => (3 * forward.processor) / step.processor);
console.log(`convolutions forward ${forwardMs.toFixed(0)} ms: ${(forwardOperations(batch) / forwardMs / 1e6).toFixed(1)} GFLOP/s`);
console.log(`3 x convolutions forward / step of ResNet-20: ${median(ratios).toFixed(2)}`);
for (const { name, own, total, calls } of profileKernels(works.distil).slice(0, KERNELS_SHOWN)) {
  console.log(`${own.toFixed(0).padStart(6)} ms own ${total.toFixed(0).padStart(6)} ms in all ${String(calls).padStart(5)} x ${name}`);
}
