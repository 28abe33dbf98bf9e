/**
 * The tests that need the engine `tensorflow`. Where it is not installed they are skipped, and the summary says why; where
 * STILLHOUSE_REQUIRE names the engine (a list with commas), they fail instead.
 */

import { describe, test } from 'vitest';
import { ENGINE_NAMES } from '../../src/config/schema.js';
import { nativeLayout } from '../../src/native/layout.js';
import { findMissingPart, INSTALL_ADVICE } from '../../src/native/missing-part.js';

declare module 'vitest' {
  interface TaskMeta {
    /** Why these tests are skipped: deploy/local/test-reporter.mjs prints it. */
    skipReason?: string;
  }
}

/** Why the engine's native parts cannot be loaded, and what to do; null when they are in the cache folder. Loads nothing. */
function tensorflowFault(): string | null {
  const missing = findMissingPart(nativeLayout('cpu'));
  return missing === null ? null : `${missing}; ${INSTALL_ADVICE}`;
}

/** The engines that must be there for the tests. Throws when the list has something else in it. */
function requiredEngines(): readonly string[] {
  const names = (process.env.STILLHOUSE_REQUIRE ?? '').split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !ENGINE_NAMES.some((engine) => engine === name));
  if (unknown !== undefined) throw new Error(`STILLHOUSE_REQUIRE: ${unknown} is no engine; there are ${ENGINE_NAMES.join(', ')}`);
  return names;
}

/**
 * A `describe` of tests on the engine. Where it is absent none of them runs, nor a hook: each counts as skipped, or, where the
 * engine is required, one test fails in their place. oneDNN is on, as in a process that computes (engine-environment.ts),
 * unless the file has switched it off: libtensorflow reads that when it is loaded.
 */
export function describeTensorflow(name: string, body: () => void): void {
  process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
  const isRequired = requiredEngines().includes('tensorflow');
  const fault = tensorflowFault();
  if (fault === null) describe(name, body);
  else if (!isRequired) describe.skip(name, { meta: { skipReason: fault } }, body);
  else {
    describe(name, () =>
      test('the engine tensorflow is there', () => {
        throw new Error(`STILLHOUSE_REQUIRE names the engine tensorflow, and ${fault}`);
      }),
    );
  }
}
