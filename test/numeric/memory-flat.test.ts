import { describe, test } from 'vitest';
import { expectFlatMemory } from '../support/flat-memory.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { normModel } from '../support/training.js';

const small = { size: 16, inputShape: [8, 8, 3], classes: 4, taught: true } as const;
const tiny = { size: 4, inputShape: [4, 4, 2], classes: 3, taught: true } as const;
const build = () => normModel(small.inputShape, small.classes, 1);

describe('memory stays flat over 1,000 steps', () => {
  test('on cpu', () =>
    expectFlatMemory({ engine: 'cpu', traced: false, shape: tiny, steps: 1000, build: () => normModel(tiny.inputShape, tiny.classes, 1) }));

  test('on wasm', () => expectFlatMemory({ engine: 'wasm', traced: false, shape: small, steps: 1000, build }));
});

describeTensorflow('memory stays flat over 1,000 steps on tensorflow', () => {
  test.each([
    ['op by op', false],
    ['as graphs', true],
  ] as const)('%s', (_, traced) => expectFlatMemory({ engine: 'tensorflow', traced, shape: small, steps: 1000, build }));
});
