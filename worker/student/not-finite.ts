/** The error of a training that has diverged. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';

/** Makes training.notFinite; `where` and `what` are its message. */
export function notFinite(where: string, what: string): StillhouseError {
  return new StillhouseError('training.notFinite', `${where}: ${what} not finite`, {
    hint: 'A lower learning rate, or warm-up, usually helps',
  });
}
