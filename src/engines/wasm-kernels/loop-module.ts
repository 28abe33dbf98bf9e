/** Loops of our own beside tfjs's: functions of ./assembler.ts, put onto the memory of tfjs's WebAssembly module. */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import { assert } from '../../base/assert.js';
import { assemble, type FunctionCode } from './assembler.js';

/** The part of WebAssembly's JavaScript interface that is used here: the project's types leave it out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: { env: { memory: object } }) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** A loop with its parameters by name. Addresses, sizes and steps are in bytes. */
export type Loop<Name extends string> = (given: Readonly<Record<Name, number>>) => void;

/** A loop on a backend's memory; written, assembled and compiled at the first use. */
export function loopOn<Name extends string>(write: () => FunctionCode<Name>): (backend: BackendWasm) => Loop<Name> {
  let memory: object | null = null;
  let loop: Loop<Name> | null = null;
  return (backend) => {
    const current = memoryOf(backend);
    if (loop !== null && memory === current) return loop;
    const code = write();
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble({ loop: code })), { env: { memory: current } });
    const call = exports.loop as (...given: number[]) => void;
    memory = current;
    loop = (given) => call(...code.names.map((name) => given[name]));
    return loop;
  };
}

/** tfjs's types do not tell of Emscripten's `asm`, the exports of the module, of which the memory is one. */
function memoryOf(backend: BackendWasm): object {
  const { memory } = (backend.wasm as unknown as { readonly asm: { readonly memory?: object } }).asm;
  assert(memory !== undefined, 'the WebAssembly module of tfjs exports its memory');
  return memory;
}

/** Where a tensor's numbers begin. They stay there as long as the tensor lives. */
export function addressOf(backend: BackendWasm, tensor: tf.TensorInfo): number {
  return backend.getMemoryOffset(tensor.dataId);
}

/** Memory for `count` numbers while `use` runs. What it holds at first is left over from others. */
export function withScratch<T>(backend: BackendWasm, count: number, use: (address: number) => T): T {
  const scratch = backend.makeOutput([count], 'float32');
  try {
    return use(addressOf(backend, scratch));
  } finally {
    backend.disposeData(scratch.dataId);
  }
}
