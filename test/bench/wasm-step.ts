/**
 * How fast the engine `wasm` trains: a ResNet-20 step of CIFAR's shape, against the rate of the step's own convolutions
 * forward. Rounds alternate step and convolutions; the ratio is taken within a round. Then one step by kernel.
 * Arguments: batch size (128), rounds (7). Prints text, asserts only that the loss falls.
 */

import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs-core';
import { Prng } from '../../src/base/prng.js';
import type { TrainingStage } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildEagerStep } from '../../src/engines/eager-step.js';
import { buildModel } from '../../src/nn/build.js';

const SHAPE: [number, number, number] = [32, 32, 3];
const CLASSES = 10;
/** Of ResNet-20: size of the output, channels in and out, stride, and how many there are. */
const CONVOLUTIONS = [
  { size: 32, from: 3, to: 16, stride: 1, times: 1 },
  { size: 32, from: 16, to: 16, stride: 1, times: 6 },
  { size: 16, from: 16, to: 32, stride: 2, times: 1 },
  { size: 16, from: 32, to: 32, stride: 1, times: 5 },
  { size: 8, from: 32, to: 64, stride: 2, times: 1 },
  { size: 8, from: 64, to: 64, stride: 1, times: 5 },
];
const STAGE = {
  kind: 'train',
  optimizer: { name: 'sgd', rate: 0.02, momentum: 0.9, nesterov: false, weightDecay: 1e-4, decayAll: false },
  loss: { labelSmoothing: 0 },
} as TrainingStage;

/** Floating point operations of the convolutions forward: two for each multiplication. */
function forwardOperations(batch: number): number {
  return CONVOLUTIONS.reduce((sum, { size, from, to, times }) => sum + times * 2 * batch * size * size * from * to * 9, 0);
}

/** Runs every convolution of the network forward once. */
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

async function makeStep(batch: number): Promise<() => number> {
  const model = await buildModel({ name: 'resnet20', options: {} }, { inputShape: SHAPE, classes: CLASSES, seed: 1 });
  const program = buildEagerStep({ model, stage: STAGE, inputShape: SHAPE });
  const random = new Prng(1);
  const images = Float32Array.from({ length: batch * SHAPE[0] * SHAPE[1] * SHAPE[2] }, () => random.normal());
  const labels = Int32Array.from({ length: batch }, (_, i) => i % CLASSES);
  return () => program.step({ size: batch, images, labels, targets: null }, { rate: 0.02, temperature: 1, alpha: 0 }).lossSum / batch;
}

/** Milliseconds of processor time: what else runs on the machine counts for less than on the clock. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function elapsed(work: () => void): number {
  const start = processorMs();
  work();
  return processorMs() - start;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Milliseconds of each kernel in `work`: with what it calls, and without. */
function profile(work: () => void): Map<string, { total: number; own: number; calls: number }> {
  type Invocation = { readonly kernelName?: string };
  const engine = tf.engine() as unknown as { runKernelFunc(invocation: Invocation): unknown };
  const kernels = new Map<string, { total: number; own: number; calls: number }>();
  const inner = [0];
  engine.runKernelFunc = function (invocation: Invocation): unknown {
    inner.push(0);
    const start = processorMs();
    const answer = Object.getPrototypeOf(this).runKernelFunc.call(this, invocation);
    const total = processorMs() - start;
    const own = total - (inner.pop() ?? 0);
    inner[inner.length - 1]! += total;
    const name = invocation.kernelName ?? 'a gradient of our own';
    const entry = kernels.get(name) ?? { total: 0, own: 0, calls: 0 };
    kernels.set(name, { total: entry.total + total, own: entry.own + own, calls: entry.calls + 1 });
    return answer;
  };
  work();
  Reflect.deleteProperty(engine, 'runKernelFunc');
  return kernels;
}

const batch = Number(process.argv[2] ?? 128);
const rounds = Number(process.argv[3] ?? 7);
const { note } = await openEngine('wasm');
const step = await makeStep(batch);
const forward = makeForward(batch);
const losses = [step(), step()];
forward();
const tensors = tf.memory().numTensors;
const times = Array.from({ length: rounds }, () => ({ step: elapsed(() => losses.push(step())), forward: elapsed(forward) }));
assert.equal(tf.memory().numTensors, tensors, 'a step leaves tensors behind');
assert.ok(losses.at(-1)! < losses[0]!, `the loss does not fall: ${losses.join(' ')}`);
const ratios = times.map((time) => (3 * time.forward) / time.step);
const stepMs = median(times.map((time) => time.step));
const forwardMs = median(times.map((time) => time.forward));
console.log(note);
console.log(`step ${stepMs.toFixed(0)} ms at batch ${batch}: ${((batch / stepMs) * 1000).toFixed(1)} images/s`);
console.log(`convolutions forward ${forwardMs.toFixed(0)} ms: ${(forwardOperations(batch) / forwardMs / 1e6).toFixed(1)} GFLOP/s`);
console.log(
  `ratio (3 x forward / step) ${median(ratios).toFixed(2)}, ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`,
);
for (const [name, { total, own, calls }] of [...profile(step)].sort((a, b) => b[1].own - a[1].own).slice(0, 16)) {
  console.log(`${own.toFixed(0).padStart(6)} ms own ${total.toFixed(0).padStart(6)} ms in all ${String(calls).padStart(5)} x ${name}`);
}
