import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { buildModel } from '../../src/nn/build.js';
import { buildEagerStep } from '../../src/step/eager-step.js';
import type { StepProgram } from '../../src/step/step-program.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { noiseBatch } from '../support/training.js';

const SHAPE = { inputShape: [8, 8, 3], classes: 4 } as const;

describe('cpu', () => suite('cpu'));
describe('wasm', () => suite('wasm'));
describeTensorflow('tensorflow', () => suite('tensorflow'));

/** Parameters that differ from the initial ones in every norm; variances stay positive. */
function otherParameters({ schema, readParameters }: StepProgram, seed: number): Float32Array {
  const random = new Prng(seed, 3);
  const arena = readParameters();
  for (const { kind, offset, size } of schema.entries.filter((entry) => entry.kind.startsWith('norm'))) {
    const change = (value: number) => (kind === 'norm-variance' ? value * (0.5 + random.uniform()) : value + 0.3 * random.normal());
    arena.set(arena.subarray(offset, offset + size).map(change), offset);
  }
  return arena;
}

/** What the model itself answers, its norms in place. */
function logitsOf(model: LayersModel, images: Float32Array, size: number): Float32Array {
  return tf.tidy(() => (model.apply(tf.tensor4d(images, [size, ...SHAPE.inputShape])) as tf.Tensor).dataSync<'float32'>().slice());
}

function suite(engine: EngineName): void {
  beforeAll(async () => void (await openEngine(engine)));

  test('a program that does not train folds the norms of the parameters it was given last; what it hands out is not folded', async () => {
    const before = tf.memory().numTensors;
    const model = await buildModel({ name: 'resnet8', options: {} }, { ...SHAPE, seed: 3 });
    const program = buildEagerStep({ model, training: null, inputShape: SHAPE.inputShape });
    const { images, labels, size } = noiseBatch(1, { ...SHAPE, size: 3 });
    for (const seed of [1, 2]) {
      const earlier = program.predict(images, size);
      const arena = otherParameters(program, seed);
      program.writeParameters(arena);
      const tensors = tf.memory().numTensors;
      const expected = logitsOf(model, images, size);
      const found = program.predict(images, size);
      expected.forEach((logit, i) => void expect(found[i]).toBeCloseTo(logit, 4));
      expect(found).not.toEqual(earlier);
      expect(program.readParameters()).toEqual(arena);
      expect(program.evaluate(images, labels.classes, size).count).toBe(size);
      expect(tf.memory().numTensors).toBe(tensors);
    }
    const kernels = tf.profile(() => void program.predict(images, size)).then(({ kernelNames }) => kernelNames);
    expect(await kernels).not.toContain(tf.FusedBatchNorm);
    program.dispose();
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
}
