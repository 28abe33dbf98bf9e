import { describe } from 'vitest';
import { agreesWithCpu, type ModelCase } from '../support/engine-parity.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

const CASES: readonly ModelCase[] = [
  ['cnn-teacher', {}],
  ['cnn-student', {}],
  ['resnet8', { shortcut: 'A' }],
  ['resnet8', { shortcut: 'B' }],
];

describe('wasm', () => agreesWithCpu('wasm', CASES));
describeTensorflow('tensorflow', () => agreesWithCpu('tensorflow', CASES));
