/** Loops of our own beside tfjs's: modules of ./assembler.ts, put onto the memory of tfjs's WebAssembly module. */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type * as tf from '@tensorflow/tfjs-core';
import { assert } from '../../base/assert.js';
import { assemble, type FunctionCode } from './assembler.js';

/** The part of WebAssembly's JavaScript interface that is used here: the project's types leave it out. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: { env: { memory: object } }) => { readonly exports: Readonly<Record<string, unknown>> };
};

type Functions = Readonly<Record<string, Pick<FunctionCode, 'names' | 'bytes'>>>;
type Loop<F> = F extends { readonly names: readonly (infer Name extends string)[] }
  ? (given: Readonly<Record<Name, number>>) => void
  : never;
export type Loops<F extends Functions> = { readonly [Key in keyof F]: Loop<F[Key]> };

/** The functions, ready to be called on a backend's memory; compiled at the first use. Addresses and sizes are in bytes. */
export function loopModule<F extends Functions>(functions: F): (backend: BackendWasm) => Loops<F> {
  let memory: object | null = null;
  let loops: Loops<F> | null = null;
  return (backend) => {
    const current = memoryOf(backend);
    if (loops !== null && memory === current) return loops;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assemble(functions)), { env: { memory: current } });
    const entries = Object.entries(functions).map(([key, { names }]) => {
      const call = exports[key] as (...given: number[]) => void;
      return [key, (given: Readonly<Record<string, number>>) => call(...names.map((name) => given[name] as number))];
    });
    memory = current;
    loops = Object.fromEntries(entries) as Loops<F>;
    return loops;
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
