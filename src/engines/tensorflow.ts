/**
 * The engine `tensorflow`: @tensorflow/tfjs-node-gpu over a current libtensorflow, which `stillhouse engine install
 * tensorflow` puts into the user's cache folder (src/native).
 * Invariant: no part of the package is loaded into the process unless all native parts are in place.
 */

import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { LIBRARY_VERSION, nativeLayout, BINDING_PACKAGE as PACKAGE } from '../native/layout.js';
import { findMissingPart, INSTALL_ADVICE } from '../native/missing-part.js';
import type { Engine } from './engine.js';
import { installTensorflowKernels } from './tensorflow-kernels/install-tensorflow-kernels.js';
import { tryConvolution } from './tiny-convolution.js';

async function open(): Promise<void> {
  const layout = nativeLayout('cpu');
  const missing = findMissingPart(layout);
  if (missing !== null) throw new Error(missing);
  const require = createRequire(import.meta.url);
  pointToBinding(require, layout.binding);
  restoreUtil(require);
  require(PACKAGE);
  installTensorflowKernels();
  if (!(await tf.setBackend('tensorflow'))) throw new Error('tfjs could not start the native binding');
}

/** tfjs asks node-pre-gyp for the path of its binding. This replaces the answer, which would be a folder of the package. */
function pointToBinding(require: NodeJS.Require, binding: string): void {
  const fromPackage = createRequire(require.resolve(`${PACKAGE}/package.json`));
  const finder = fromPackage('@mapbox/node-pre-gyp/lib/pre-binding') as { find(manifest: string): string };
  const { find } = finder;
  finder.find = (manifest) => (manifest.includes('tfjs-node-gpu') ? binding : find(manifest));
}

/** tfjs-node calls two functions of `util`. Node 23 removed them, and earlier versions print a warning. */
function restoreUtil(require: NodeJS.Require): void {
  const util = require('node:util') as Record<string, unknown>;
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}

export const tensorflowEngine: Engine<'tensorflow'> = {
  name: 'tensorflow',
  isMultithreaded: true,
  async probe() {
    const missing = findMissingPart(nativeLayout('cpu'));
    const fault = missing ?? (await tryConvolution(open));
    if (fault !== null) return { name: 'tensorflow', usable: false, note: `${fault}; ${INSTALL_ADVICE}` };
    return { name: 'tensorflow', usable: true, note: `libtensorflow ${LIBRARY_VERSION} through ${PACKAGE}` };
  },
  open,
};
