/**
 * With oneDNN on, as in earnest, a graph fuses what the eager engine runs apart: the traced program agrees up to rounding.
 * The deep models are in test/long.
 */

import { beforeAll, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { DEEP_MODELS, expectSameCourse, MODEL_NAMES, OPTIMIZERS, STAGES } from '../support/trace-parity.js';

describeTensorflow('traced as eager, up to rounding', () => {
  beforeAll(() => openEngine('tensorflow'));

  const methods = Object.keys(STAGES).flatMap((loss) => Object.keys(OPTIMIZERS).map((optimizer) => ['cnn', loss, optimizer] as const));
  const models = MODEL_NAMES.filter((name) => !DEEP_MODELS.has(name)).map((name) => [name, 'distillation', 'sgd with momentum'] as const);
  test.each([...methods, ...models])('%s, %s, %s', (name, loss, optimizer) => {
    expectSameCourse({ name, stage: STAGES[loss]!(OPTIMIZERS[optimizer]!) });
  });
});
