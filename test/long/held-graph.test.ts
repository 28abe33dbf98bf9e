/** The memory that a cut step keeps between its halves as a graph, on images of CIFAR's shape. Prints the figures of src/step/README.md. */

import { expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { disposeModel } from '../../src/nn/weights.js';
import { heldAsGraph } from '../support/held-memory.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { distilStage, noiseBatch, trainingOf } from '../support/training.js';

const SHAPE = { size: 128, inputShape: [32, 32, 3], classes: 100 } as const;
const MIB = 2 ** 20;

describeTensorflow('a step as a graph', () => {
  test.each([
    ['resnet20', 210],
    ['resnet32', 325],
    ['cnn-teacher', 10],
    ['cnn-student', 4],
  ] as const)('%s keeps at most %d MiB between its halves', async (name, most) => {
    await openEngine('tensorflow');
    const model = await buildModel({ name, options: {} }, { ...SHAPE, seed: 1 });
    const training = trainingOf(distilStage(), SHAPE.classes);
    const held = heldAsGraph({ model, training, ...SHAPE, images: noiseBatch(1, SHAPE).images });
    process.stderr.write(`${name} as a graph: ${(held / MIB).toFixed(1)} MiB, batch ${SHAPE.size}\n`);
    expect(held).toBeLessThan(most * MIB);
    disposeModel(model);
  });
});
