/**
 * The engine `wasm`: tfjs's WebAssembly backend with the kernels of ./wasm-kernels, which need SIMD. npm installs all of
 * it, so a new installation trains with this engine. It computes on one thread.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { Engine, EngineMemory } from './engine.js';
import { tryConvolution } from './tiny-convolution.js';
import { installWasmKernels } from './wasm-kernels/install-wasm-kernels.js';
import { guardMemory } from './wasm-memory.js';

async function open(): Promise<void> {
  await import('@tensorflow/tfjs-backend-wasm');
  installWasmKernels();
  if (!(await tf.setBackend('wasm'))) throw new Error('tfjs could not start its WebAssembly module');
  memory();
}

function memory(): EngineMemory {
  return guardMemory(tf.findBackend('wasm') as BackendWasm);
}

export const wasmEngine: Engine<'wasm'> = {
  name: 'wasm',
  isMultithreaded: false,
  async probe() {
    const fault = await tryConvolution(open);
    if (fault === null) return { name: 'wasm', usable: true, note: 'WebAssembly with SIMD, one thread' };
    const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
    const mend = simd ? 'check that node_modules is whole (npm ci), or use the engine cpu' : 'Node has no SIMD here: use the engine cpu';
    return { name: 'wasm', usable: false, note: `${fault}; ${mend}` };
  },
  open,
  memory,
};
