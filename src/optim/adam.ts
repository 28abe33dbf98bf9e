/**
 * Adam (Kingma & Ba, arXiv 1412.6980) as PyTorch's `torch.optim.Adam`: with t the step from 1,
 * m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
 * p = p - rate m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon).
 */

import { add, div, mul, sqrt, square, sub } from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { OptimizerRecipe } from '../config/schema.js';
import type { UpdateRule } from './update-rule.js';

/** Two slots, the moments m and v, and the step count. */
export function adamRule({ beta1, beta2, epsilon }: Extract<OptimizerRecipe, { name: 'adam' }>): UpdateRule<'scale' | 'rootScale'> {
  return {
    slotCount: 2,
    countsSteps: true,
    // The corrections are computed in float64: 1 - beta2^t loses most of its digits in float32 at the first steps.
    coefficients: ({ rate, step }) => ({ scale: rate / (1 - beta1 ** step), rootScale: 1 / Math.sqrt(1 - beta2 ** step) }),
    update({ value, gradient, slots, coefficients: { scale, rootScale } }) {
      const first = add(mul(present(slots[0], 'first moment'), beta1), mul(gradient, 1 - beta1));
      const second = add(mul(present(slots[1], 'second moment'), beta2), mul(square(gradient), 1 - beta2));
      const root = mul(sqrt(second), rootScale);
      return { value: sub(value, div(mul(first, scale), add(root, epsilon))), slots: [first, second] };
    },
  };
}
