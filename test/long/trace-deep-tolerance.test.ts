/** As test/numeric/trace-tolerance.test.ts: the deep models of the catalogue, whose recording takes long. */

import { beforeAll, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { DEEP_MODELS, expectSameCourse, OPTIMIZERS, STAGES } from '../support/trace-parity.js';

describeTensorflow('deep models traced as eager, up to rounding', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each([...DEEP_MODELS])('%s', (name) => {
    expectSameCourse({ name, stage: STAGES.distillation!(OPTIMIZERS['sgd with momentum']!) });
  });
});
