/**
 * The engine `tensorflow`: @tensorflow/tfjs-node-gpu's native binding over libtensorflow. The package is installed without
 * its install script, so the binding and the library are there only where somebody has put them beside it.
 * Invariant: nothing of the package is loaded into the process unless both files are there.
 */

import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from './engine.js';
import { tryConvolution } from './tiny-convolution.js';

const PACKAGE = '@tensorflow/tfjs-node-gpu';
const ADVICE = 'use the engine wasm';

/** Why the native parts cannot be loaded, or null when they are in place. */
function missingPart(): string | null {
  let folder: string;
  try {
    folder = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
  } catch {
    return `the package ${PACKAGE} is not installed`;
  }
  if (!holds(join(folder, 'lib'), 'tfjs_binding.node')) return `${PACKAGE} has no native binding (lib/napi-v8/tfjs_binding.node)`;
  if (!holds(join(folder, 'deps', 'lib'), 'libtensorflow')) return `${PACKAGE} has no libtensorflow (deps/lib)`;
  return null;
}

/** Whether a file whose name starts with `prefix` lies in the folder or below it. */
function holds(folder: string, prefix: string): boolean {
  try {
    return readdirSync(folder, { recursive: true }).some((name) => (String(name).split(/[\\/]/).at(-1) ?? '').startsWith(prefix));
  } catch {
    return false; // no such folder: the part is not there
  }
}

async function open(): Promise<void> {
  const missing = missingPart();
  if (missing !== null) throw new Error(missing);
  await import(PACKAGE);
  if (!(await tf.setBackend('tensorflow'))) throw new Error('tfjs could not start the native binding');
}

export const tensorflowEngine: Engine<'tensorflow'> = {
  name: 'tensorflow',
  async probe() {
    const fault = missingPart() ?? (await tryConvolution(open));
    if (fault !== null) return { name: 'tensorflow', usable: false, note: `${fault}; ${ADVICE}` };
    return { name: 'tensorflow', usable: true, note: `libtensorflow through ${PACKAGE}` };
  },
  open,
};
