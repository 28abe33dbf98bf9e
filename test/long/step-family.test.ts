/** As test/numeric/step-engine.test.ts: one model of each larger family, whose steps on `cpu` take long. */

import { describe } from 'vitest';
import { agreesWithCpu, type ModelCase } from '../support/engine-parity.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

const CASES: readonly ModelCase[] = [
  ['resnet8x4', {}],
  ['wrn-16-2', {}],
  ['vgg8', {}],
];

describe('wasm', () => agreesWithCpu('wasm', CASES));
describeTensorflow('tensorflow', () => agreesWithCpu('tensorflow', CASES));
