/**
 * Stochastic gradient descent with momentum, as PyTorch's `torch.optim.SGD` with dampening 0: v = mu v + g, then
 * p = p - rate v; with Nesterov's momentum p = p - rate (g + mu v). The rate is not inside v, so a change of rate acts
 * on the whole velocity at once.
 */

import { add, mul, sub } from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import type { OptimizerRecipe } from '../config/schema.js';
import type { UpdateRule } from './update-rule.js';

/** One slot per variable, the velocity; none without momentum. */
export function sgdRule({ momentum, nesterov }: Extract<OptimizerRecipe, { name: 'sgd' }>): UpdateRule<'rate'> {
  return {
    slotsPerVariable: momentum > 0 ? 1 : 0,
    countsSteps: false,
    coefficients: ({ rate }) => ({ rate }),
    update({ variable, gradient, slots, coefficients: { rate } }) {
      let direction = gradient;
      if (momentum > 0) {
        const velocity = present(slots[0], 'velocity');
        velocity.assign(add(mul(velocity, momentum), gradient));
        direction = nesterov ? add(gradient, mul(velocity, momentum)) : velocity;
      }
      variable.assign(sub(variable, mul(direction, rate)));
    },
  };
}
