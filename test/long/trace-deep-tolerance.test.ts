/** As test/numeric/trace-tolerance.test.ts: the deep models of the catalogue, whose recording takes long. */

import { beforeAll, test } from 'vitest';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';
import { DEEP_MODELS, expectSameCourse, OPTIMIZERS, STAGES } from '../support/trace-parity.js';

/** An eager step of these makes a change of 1e-7 as large as 1e-2, so that only a smooth course tells more than rounding. */
const SMOOTH: ReadonlySet<string> = new Set(['shufflenetv1', 'shufflenetv2', 'densenet-bc']);

describeTensorflow('deep models traced as eager, up to rounding', () => {
  beforeAll(() => openEngine('tensorflow'));

  test.each([...DEEP_MODELS])('%s', (name) => {
    const stage = STAGES.distillation!(OPTIMIZERS['sgd with momentum']!);
    expectSameCourse({ name, stage, isSmooth: SMOOTH.has(name) });
  });
});
