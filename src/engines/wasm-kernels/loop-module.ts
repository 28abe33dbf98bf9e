/** Compiles functions of ./assembler.ts to loops that work on the memory of tfjs's WebAssembly module. */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import { assert } from '../../base/assert.js';
import { assemble, type FunctionCode } from './assembler.js';

/** The part of WebAssembly's JavaScript interface that is used here; the project's type libraries do not declare it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: { env: { memory: object } }) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** A compiled loop. It takes its parameters by name. Addresses, sizes and steps are in bytes. */
export type Loop<Name extends string> = (given: Readonly<Record<Name, number>>) => void;

/** Makes a function that answers the loop for a backend's memory. The first call writes, assembles and compiles the loop. */
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

/** The memory of tfjs's module. It is one of the exports in Emscripten's `asm`, which tfjs's types leave out. */
function memoryOf(backend: BackendWasm): object {
  const { memory } = (backend.wasm as unknown as { readonly asm: { readonly memory?: object } }).asm;
  assert(memory !== undefined, 'the WebAssembly module of tfjs exports its memory');
  return memory;
}

/** The address of a tensor's first number, in bytes. It is the same for the tensor's whole life. */
export function addressOf(backend: BackendWasm, tensor: tf.TensorInfo): number {
  return backend.getMemoryOffset(tensor.dataId);
}

/** Calls `use` with the address of memory for `count` float32 numbers, and frees the memory afterwards. It is not cleared at first. */
export function withScratch<T>(backend: BackendWasm, count: number, use: (address: number) => T): T {
  const scratch = backend.makeOutput([count], 'float32');
  try {
    return use(addressOf(backend, scratch));
  } finally {
    backend.disposeData(scratch.dataId);
  }
}
