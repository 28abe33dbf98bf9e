/**
 * A number that may change during a stage: its form in a recipe, its range, and its value at a
 * moment of the stage. A pure function of the samples committed, which does not depend on the number of workers.
 */

import { z } from 'zod';
import { assertNever } from '../base/assert.js';

/** A constant, or a change from one value to another. `linear` and `cosine` go from `from` to `to`, and stay there. */
export type Variable =
  | number
  | {
      readonly schedule: 'constant' | 'linear' | 'cosine';
      readonly from: number;
      readonly to: number;
      /** The number of epochs until `to` is reached; the whole stage when left out. */
      readonly epochs?: number | undefined;
    };

/** The values that a number may have, both ends included unless `above` is given. */
export interface NumberRange {
  readonly min?: number | undefined;
  /** The value must be more than this. */
  readonly above?: number | undefined;
  readonly max?: number | undefined;
}

/** The schema of a number within a range. */
export function numberIn({ min, above, max }: NumberRange): z.ZodNumber {
  let number = z.number();
  if (min !== undefined) number = number.min(min);
  if (above !== undefined) number = number.gt(above);
  return max === undefined ? number : number.max(max);
}

/** The schema of a variable whose values are all within a range. */
export function variableIn(range: NumberRange): z.ZodType<Variable> {
  const number = numberIn(range);
  const schedule = z.enum(['constant', 'linear', 'cosine']);
  return z.union([number, z.strictObject({ schedule, from: number, to: number, epochs: z.number().gt(0).optional() })]);
}

/** The epochs done, fractions included, and the number of epochs of the stage. */
export interface StageMoment {
  readonly epoch: number;
  readonly epochs: number;
}

/** The value at a moment. It changes over the stage, or over its own number of epochs, and then keeps its last value. */
export function variableAt(variable: Variable, { epoch, epochs }: StageMoment): number {
  if (typeof variable === 'number') return variable;
  const { schedule, from, to } = variable;
  const done = Math.min(1, Math.max(0, epoch / (variable.epochs ?? epochs)));
  switch (schedule) {
    case 'constant':
      return from;
    case 'linear':
      return from + (to - from) * done;
    case 'cosine':
      return to + (from - to) * 0.5 * (1 + Math.cos(Math.PI * done));
    default:
      return assertNever(schedule, 'schedule of a variable');
  }
}

/** The values at which it begins and ends; all other values are between them. */
export function endsOf(variable: Variable): readonly [number, number] {
  if (typeof variable === 'number') return [variable, variable];
  return [variable.from, variable.schedule === 'constant' ? variable.from : variable.to];
}
