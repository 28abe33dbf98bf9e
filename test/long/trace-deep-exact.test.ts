/** As test/numeric/trace-exact.test.ts: the deep models of the catalogue, whose recording takes long. */

import { beforeAll, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { catalogueModel, DEEP_MODELS, expectSameBits, OPTIMIZERS, openPair, STAGES } from '../support/trace-parity.js';

// Read by libtensorflow when it is loaded, which is in this file's own process.
process.env.TF_ENABLE_ONEDNN_OPTS = '0';

describeTensorflow('deep models traced as eager, to the bit', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each([...DEEP_MODELS])('%s', (name) => {
    const stage = STAGES.distillation!(OPTIMIZERS['sgd with momentum']!);
    const pair = openPair({ build: () => catalogueModel(name), stage });
    expectSameBits(pair, { steps: 2, taught: true });
    pair.dispose();
  });
});
