/** As test/numeric/step-engine.test.ts: one model of each larger family, whose steps on `cpu` take long. */

import { describe } from 'vitest';
import { agreesWithCpu, type ModelCase, SMOOTH_COURSE } from '../support/engine-parity.js';
import { describeTensorflow } from '../support/tensorflow-engine.js';

const CASES: readonly ModelCase[] = [
  ['resnet8x4', {}],
  ['wrn-16-2', {}],
  ['vgg8', {}],
  // The next BatchNorm removes the scale before a depthwise convolution, and the shift before a 1x1 convolution.
  ['mobilenetv2', {}, { ...SMOOTH_COURSE, idle: /norm1\/gamma$|norm3\/beta$/ }],
  ['shufflenetv1', {}, { ...SMOOTH_COURSE, idle: /norm1\/gamma$/ }],
  ['shufflenetv2', {}, { ...SMOOTH_COURSE, idle: /norm1\/gamma$|norm2\/beta$|left-norm1\/beta$/ }],
  // A hundred layers: small images, or its step on `cpu` takes minutes.
  ['densenet-bc', {}, { ...SMOOTH_COURSE, size: 8, side: 4 }],
];

describe('wasm', () => agreesWithCpu('wasm', CASES));
describeTensorflow('tensorflow', () => agreesWithCpu('tensorflow', CASES));
