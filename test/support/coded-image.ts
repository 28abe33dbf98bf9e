/** Coded images for tests, and the errors about them. */

import type { StillhouseError } from '../../src/errors/stillhouse-error.js';

/** The error that the work throws, which must be one that users meet. */
export function failureIn(work: () => unknown): StillhouseError {
  try {
    work();
  } catch (error) {
    if (error instanceof Error && error.name === 'StillhouseError') return error as StillhouseError;
    throw error;
  }
  throw new Error('there was no error');
}
