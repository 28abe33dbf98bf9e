/** The memory that a cut step keeps between its halves, op by op, on images of CIFAR's shape. Prints the figures of src/step/README.md. */

import { expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import { BufferWatch } from '../support/held-memory.js';
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

test.each(CASES)('%s keeps at most %d MiB between the halves of a step, and nothing afterwards', async (name, most) => {
  await openEngine('wasm');
  const watch = new BufferWatch();
  const model = await buildModel({ name, options: {} }, { ...SHAPE, seed: 1 });
  const program = buildEagerStep({ model, training: trainingOf(distilStage(), SHAPE.classes), inputShape: SHAPE.inputShape });
  const batch = noiseBatch(1, SHAPE);
  const before = watch.bytes;
  program.forward(batch.images, batch.size);
  const held = watch.bytes - before;
  process.stderr.write(`${name}: ${(held / MIB).toFixed(1)} MiB, batch ${batch.size}\n`);
  expect(held).toBeLessThan(most * MIB);
  program.backward(batch, KNOBS);
  expect(watch.bytes).toBe(before);
  program.dispose();
  disposeModel(model);
  watch.stop();
});
