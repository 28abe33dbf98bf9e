/** Disposal of what the tests of a file make, and the check that nothing else of theirs stays. */

import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, expect } from 'vitest';

/** A list for programs and models: each test adds its own. They are disposed after the test, and no tensor may be left then. */
export function disposeAfterEach(): { dispose(): unknown }[] {
  const made: { dispose(): unknown }[] = [];
  let tensorsBefore = 0;
  beforeEach(() => {
    tensorsBefore = tf.memory().numTensors;
  });
  afterEach(() => {
    for (const one of made.splice(0)) one.dispose();
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });
  return made;
}
