import { describe, test } from 'vitest';
import { buildModel } from '../../src/nn/build.js';
import { expectFlatMemory } from '../support/flat-memory.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { normModel } from '../support/training.js';

const shape = { size: 16, inputShape: [8, 8, 3], classes: 4, taught: true } as const;
const resnet = () => buildModel({ name: 'resnet8', options: {} }, { ...shape, seed: 1 });
const timeout = 900_000;

const tiny = { size: 4, inputShape: [4, 4, 2], classes: 3, taught: true } as const;

describe('memory stays flat over 1,000 steps of a small model', { timeout }, () => {
  test('on cpu', () =>
    expectFlatMemory({ engine: 'cpu', traced: false, shape: tiny, steps: 1000, build: () => normModel(tiny.inputShape, tiny.classes, 1) }));
});

describe('memory stays flat over 5,000 steps of a ResNet', { timeout }, () => {
  test('on wasm', () => expectFlatMemory({ engine: 'wasm', traced: false, shape, steps: 5000, build: resnet }));
});

describeTensorflow('memory stays flat over 3,000 steps of a ResNet on tensorflow', () => {
  test.each([
    ['op by op', false],
    ['as graphs', true],
  ] as const)('%s', { timeout }, (_, traced) => expectFlatMemory({ engine: 'tensorflow', traced, shape, steps: 3000, build: resnet }));
});
