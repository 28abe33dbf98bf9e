/** The tests that need the engine `tensorflow`: where it is not installed they are skipped, and the summary says why. */

import { describe } from 'vitest';
import { nativeLayout } from '../../src/native/layout.js';
import { findMissingPart, INSTALL_ADVICE } from '../../src/native/missing-part.js';

declare module 'vitest' {
  interface TaskMeta {
    /** Why these tests are skipped: deploy/local/test-reporter.mjs prints it. */
    skipReason?: string;
  }
}

interface TensorflowReady {
  readonly ready: boolean;
  /** Why not, and what to do. Empty when ready. */
  readonly reason: string;
}

/** Whether the engine's native parts are in the cache folder. Loads nothing. */
function tensorflowReady(): TensorflowReady {
  const missing = findMissingPart(nativeLayout('cpu'));
  return { ready: missing === null, reason: missing === null ? '' : `${missing}; ${INSTALL_ADVICE}` };
}

/** A `describe` of tests on the engine. Where it is absent none of them runs, nor a hook, and each counts as skipped. */
export function describeTensorflow(name: string, body: () => void): void {
  const { ready, reason } = tensorflowReady();
  if (ready) describe(name, body);
  else describe.skip(name, { meta: { skipReason: reason } }, body);
}
