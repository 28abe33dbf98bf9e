/** The ImageNet models on images of 64x64, two at a time: three steps on `tensorflow`, each traced step beside the eager one. */

import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { MODELS } from '../../src/nn/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { OPTIMIZERS, openPair, STAGES } from '../support/trace-parity.js';
import { knobsOf, noiseBatch } from '../support/training.js';

const inputShape = [64, 64, 3] as const;
const CLASSES = 5;
/** The scales before a depthwise convolution, whose BatchNorm removes them again: their gradient is rounding and nothing else. */
const SCALE_REMOVED = /^(stem\.norm|block([1-9]|1[0-2])\.norm2)\/gamma$/;

describeTensorflow('ImageNet models at 64x64', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each(['resnet18', 'resnet34', 'resnet50', 'mobilenetv1'] as const)('%s: three steps, traced as eager', (name) => {
    const build = () => MODELS[name].build({ inputShape, classes: CLASSES, seed: 3, options: {} }, {});
    const stage = STAGES['cross-entropy']!(OPTIMIZERS['sgd with momentum']!);
    const { eager, traced, notices, dispose } = openPair({ build, stage, inputShape });
    const start = eager.readParameters();
    for (let t = 0; t < 3; t++) {
      const batch = noiseBatch(t, { size: 2, inputShape, classes: CLASSES, taught: false });
      const knobs = knobsOf({ rate: 1e-3, temperature: 4, alpha: 0 });
      const expected = eager.step(batch, knobs).lossSum;
      expect(Math.abs(traced.step(batch, knobs).lossSum / expected - 1), `loss of step ${t + 1}`).toBeLessThan(1e-3);
    }
    expect(notices.map(({ traced: isTraced, reason }) => reason ?? isTraced)).toEqual([true]);
    const end = eager.readParameters();
    for (const { name: entry, offset, size } of eager.schema.entries) {
      if (SCALE_REMOVED.test(entry) && name === 'mobilenetv1') continue;
      expect(end.subarray(offset, offset + size), `${entry} does not move`).not.toEqual(start.subarray(offset, offset + size));
    }
    dispose();
  });
});
