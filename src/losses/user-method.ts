/**
 * The arithmetic of a user's own loss: the module's `sum`, with its result checked. Owns the errors for a `sum` that throws, or
 * that returns anything but a sum and a count.
 */

import * as core from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { messageOf } from '../errors/stillhouse-error.js';
import type { LossMethod, LossSum, TermInputs } from './loss-method.js';
import { invalidLoss, type UserLoss } from './user-declaration.js';

const TF_HINT = "'tf' has two parts, the packages of tfjs: tf.core (operations) and tf.layers";
const CHAIN_HINT = 'Tensors have no methods for operations here: write tf.core.add(a, b), not a.add(b)';
const INPUTS_HINT = 'sum(inputs, knobs, tf): inputs has student, other, labels, classes, adapters and settings';

/** The method of a module at `file`. Its `sum` throws `loss.invalid`. */
export function userMethod(file: string, { sum }: Pick<UserLoss, 'sum'>): LossMethod {
  return {
    sum(inputs, knobs) {
      let answer: unknown;
      try {
        answer = sum(inputs, knobs, { core, layers });
      } catch (error) {
        throw invalidLoss(file, `sum failed: ${messageOf(error)}`, {
          hint: hintFor(error, inputs),
          cause: error,
        });
      }
      return checkAnswer(answer, file, inputs.labels.class_B.shape[0]);
    },
  };
}

function hintFor(error: unknown, { student, other }: TermInputs): string {
  const missing = error instanceof TypeError ? /(\w+) is not a function$/.exec(error.message)?.[1] : undefined;
  // `tf.square` is the same mistake with another cause: the operations are in tf.core.
  if (missing !== undefined) return missing in core && !/\btf\.\w+ is not/.test(messageOf(error)) ? CHAIN_HINT : TF_HINT;
  if (error instanceof TypeError) return INPUTS_HINT;
  const shapes = (tensors: readonly core.Tensor[]) => tensors.map(({ shape }) => `[${shape.join(', ')}]`).join(', ') || 'nothing';
  return `inputs.student was ${shapes(student)}; inputs.other was ${shapes(other)}`;
}

function checkAnswer(answer: unknown, file: string, samples: number): LossSum {
  const { sum, count } = (typeof answer === 'object' && answer !== null ? answer : {}) as Record<string, unknown>;
  const hint = 'Return { sum, count }: the loss summed over the samples (tf.core.sum(...), of rank 0), and the number of samples';
  if (answer instanceof Promise) throw invalidLoss(file, 'sum is asynchronous', { hint: 'Write it without async and await' });
  if (!(sum instanceof core.Tensor)) throw invalidLoss(file, `sum returned ${describe(answer)}, without a tensor 'sum'`, { hint });
  if (sum.rank !== 0 || sum.dtype !== 'float32') {
    throw invalidLoss(file, `sum returned a tensor of shape [${sum.shape.join(', ')}] and type ${sum.dtype}, not one number in float32`, {
      hint,
    });
  }
  if (typeof count !== 'number' || !(count > 0 && Number.isFinite(count))) {
    throw invalidLoss(file, `sum returned the count ${describe(count)}, not a number above 0`, { hint });
  }
  if (count !== samples) {
    throw invalidLoss(file, `sum returned the count ${count} for a batch of ${samples}: the count is the number of samples`, {
      hint: 'Return count: inputs.labels.class_B.shape[0]; a mean over places or classes belongs into the sum',
    });
  }
  return { sum: sum as core.Scalar, count };
}

function describe(value: unknown): string {
  if (value instanceof core.Tensor) return 'a tensor';
  return typeof value === 'object' && value !== null ? `an object with ${Object.keys(value).join(', ') || 'nothing'}` : String(value);
}
