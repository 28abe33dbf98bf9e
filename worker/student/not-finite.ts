/** The errors of a training that has diverged. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Range } from '../../src/protocol/field.js';

const HINT = 'A lower learning rate, or warm-up, usually helps';

/** Makes training.notFinite; `where` and `what` are its message. */
export function notFinite(where: string, what: string): StillhouseError {
  return new StillhouseError('training.notFinite', `${where}: ${what} not finite`, { hint: HINT });
}

/**
 * A step of training whose loss is not finite, or that has left parameters that are not. `ranges`: the samples of that step, as positions
 * of the stage; null when it was the last step of the round before. The program then holds no state.
 */
export class StepNotFinite extends StillhouseError {
  readonly ranges: readonly Range[] | null;

  constructor(where: string, what: string, ranges: readonly Range[] | null) {
    super('training.notFinite', `${where}: ${what} not finite`, { hint: HINT });
    this.ranges = ranges;
  }
}
