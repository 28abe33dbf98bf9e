/** The memory that a cut step keeps between its halves, op by op, on images of CIFAR's shape. Prints the figures of src/step/README.md. */

import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { distilStage, knobsOf, noiseBatch, trainingOf } from '../support/training.js';

const SHAPE = { size: 128, inputShape: [32, 32, 3], classes: 100, taught: true } as const;
const KNOBS = knobsOf({ rate: 0.01, alpha: 0.5 });
const MIB = 2 ** 20;
/** The most that may be kept, in MiB. */
const CASES = [
  ['resnet20', 260],
  ['resnet32', 400],
  ['cnn-teacher', 16],
  ['cnn-student', 6],
] as const;

async function open(name: string) {
  const model = await buildModel({ name, options: {} }, { ...SHAPE, seed: 1 });
  const options = { model, training: trainingOf(distilStage(), SHAPE.classes), inputShape: SHAPE.inputShape };
  const program = buildEagerStep(options);
  const dispose = () => {
    program.dispose();
    disposeModel(model);
  };
  return { program, batch: noiseBatch(1, SHAPE), dispose };
}

interface Info {
  readonly bytes: number;
}

/** Counts the bytes of all tensors that are made from now on, each buffer once: several tensors may share one. */
function watchBuffers(): { readonly bytes: number } {
  // tfjs's own count of bytes has a buffer as often as it has tensors.
  const { tensorInfo } = tf.engine().state as unknown as { tensorInfo: WeakMap<object, Info> };
  const counted = { bytes: 0 };
  const set = tensorInfo.set.bind(tensorInfo);
  const remove = tensorInfo.delete.bind(tensorInfo);
  tensorInfo.set = (id, info) => {
    counted.bytes += info.bytes;
    return set(id, info);
  };
  tensorInfo.delete = (id) => {
    counted.bytes -= tensorInfo.get(id)?.bytes ?? 0;
    return remove(id);
  };
  return counted;
}

test.each(CASES)('%s keeps at most %d MiB between the halves of a step, and nothing afterwards', async (name, most) => {
  await openEngine('wasm');
  const buffers = watchBuffers();
  const { program, batch, dispose } = await open(name);
  const before = buffers.bytes;
  program.forward(batch.images, batch.size);
  const held = buffers.bytes - before;
  process.stderr.write(`${name}: ${(held / MIB).toFixed(1)} MiB, batch ${batch.size}\n`);
  expect(held).toBeLessThan(most * MIB);
  program.backward(batch, KNOBS);
  expect(buffers.bytes).toBe(before);
  dispose();
});
