/** The same tests on every engine; `tensorflow` where it is installed. */

import { beforeAll, describe } from 'vitest';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import { describeTensorflow } from './tensorflow-engine.js';

/** A `describe` of the tests for each engine, which is open when they run. */
export function describeEachEngine(body: (engine: EngineName) => void): void {
  const suite = (engine: EngineName) => () => {
    beforeAll(async () => {
      await openEngine(engine);
    });
    body(engine);
  };
  describe('cpu', suite('cpu'));
  describe('wasm', suite('wasm'));
  describeTensorflow('tensorflow', suite('tensorflow'));
}
