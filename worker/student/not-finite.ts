/** The errors of a training that has diverged. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Range } from '../../src/protocol/field.js';

const HINT = 'A lower learning rate, or warm-up, usually helps';

/** Makes training.notFinite; `where` and `what` are its message. */
export function notFinite(where: string, what: string): StillhouseError {
  return new StillhouseError('training.notFinite', `${where}: ${what} not finite`, { hint: HINT });
}

/** A step of training whose loss or parameters are not finite. The program then holds no state. */
export class StepNotFinite extends StillhouseError {
  /** The samples of the step, as positions of the stage. */
  readonly ranges: readonly Range[];

  constructor(where: string, what: string, ranges: readonly Range[]) {
    super('training.notFinite', `${where}: ${what} not finite`, { hint: HINT });
    this.ranges = ranges;
  }
}
