/**
 * Stochastic gradient descent with momentum, as PyTorch's `torch.optim.SGD` with dampening 0: v = mu v + g, then
 * p = p - rate v; with Nesterov's momentum p = p - rate (g + mu v). The rate is not inside v, so a change of rate acts
 * on the whole velocity at once.
 */

import { add, mul, sub } from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { OptimizerRecipe } from '../config/schema.js';
import type { UpdateRule } from './update-rule.js';

/** One slot, the velocity; no slot without momentum. */
export function sgdRule({ momentum, nesterov }: Extract<OptimizerRecipe, { name: 'sgd' }>): UpdateRule<'rate'> {
  return {
    slotCount: momentum > 0 ? 1 : 0,
    countsSteps: false,
    coefficients: ({ rate }) => ({ rate }),
    update({ value, gradient, slots, coefficients: { rate } }) {
      if (momentum === 0) return { value: sub(value, mul(gradient, rate)), slots };
      const velocity = add(mul(present(slots[0], 'velocity'), momentum), gradient);
      const direction = nesterov ? add(gradient, mul(velocity, momentum)) : velocity;
      return { value: sub(value, mul(direction, rate)), slots: [velocity] };
    },
  };
}
