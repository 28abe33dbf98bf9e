/** That training takes no more memory the longer it goes on. test/long has the engine cpu, and tensorflow op by op. */

import { describe, test } from 'vitest';
import { expectFlatMemory } from '../support/flat-memory.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { normModel } from '../support/training.js';

const small = { size: 16, inputShape: [8, 8, 3], classes: 4, taught: true } as const;
const build = () => normModel(small.inputShape, small.classes, 1);

describe('memory stays flat over 1,000 steps', () => {
  test('on wasm', () => expectFlatMemory({ engine: 'wasm', traced: false, shape: small, steps: 1000, build }));
});

describeTensorflow('memory stays flat over 1,000 steps on tensorflow', () => {
  test('as graphs', () => expectFlatMemory({ engine: 'tensorflow', traced: true, shape: small, steps: 1000, build }));
});
