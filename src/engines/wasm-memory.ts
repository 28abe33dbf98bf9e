/**
 * The memory of tfjs's WebAssembly module, guarded. tfjs does not look at the answer of an allocation: where it is refused, a
 * tensor would lie at address 0, over the module's own data, and later results could be anything. Here it throws instead, and
 * the module stays as it was.
 *
 * Invariant: after a large allocation, `reserveBytes` more could be had. The module's own code allocates small things, and
 * ends the process where it gets nothing.
 */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import type { EngineMemory } from './engine.js';
import { MemoryFull } from './out-of-memory.js';

/** The reserve as a share of the heap, and its maximum. */
const RESERVE_SHARE = 1 / 32;
const RESERVE_MAX_BYTES = 16 * 2 ** 20;
/** Smaller allocations are made without a look at the reserve. */
const LARGE_BYTES = 2 ** 20;
/** The most that the module may ask for: all that 32 bits address, but the last page. */
const MODULE_BYTES = 2 ** 32 - 2 ** 16;

/** The part of Emscripten's module that is used here. tfjs's types leave out `asm`. */
interface WasmModule {
  readonly asm: { malloc(bytes: number): number; free(address: number): void; readonly memory: { readonly buffer: ArrayBuffer } };
  _malloc(bytes: number): number;
  _free(address: number): void;
}

const guarded = new WeakMap<BackendWasm, EngineMemory>();

/** Guards the memory of a backend. Only the first call for a backend changes anything. */
export function guardMemory(backend: BackendWasm): EngineMemory {
  const known = guarded.get(backend);
  if (known !== undefined) return known;
  const memory = new GuardedMemory(backend.wasm as unknown as WasmModule);
  guarded.set(backend, memory);
  return memory;
}

class GuardedMemory implements EngineMemory {
  readonly #module: WasmModule;
  /** The bytes that the system gave before it first refused more: so many another process gets, too. Null as long as it did not. */
  #refusedAt: number | null = null;
  /** While a peak is measured: the bytes of each allocation since it began. */
  #sizes: Map<number, number> | null = null;
  #live = 0;
  #peak = 0;

  constructor(module: WasmModule) {
    this.#module = module;
    module._malloc = (bytes) => this.#allocate(bytes);
    module._free = (address) => this.#free(address);
  }

  get limitBytes(): number {
    return this.#refusedAt ?? MODULE_BYTES;
  }

  get reserveBytes(): number {
    return Math.min(RESERVE_MAX_BYTES, Math.ceil(RESERVE_SHARE * this.#module.asm.memory.buffer.byteLength));
  }

  get isOwnLimit(): boolean {
    return this.#refusedAt === null;
  }

  peakOf(run: () => void): number {
    this.#sizes = new Map();
    this.#live = tf.memory().numBytes;
    this.#peak = this.#live;
    try {
      run();
      return this.#peak;
    } finally {
      this.#sizes = null;
    }
  }

  #allocate(bytes: number): number {
    const { asm } = this.#module;
    const address = asm.malloc(bytes);
    if (address === 0) throw this.#full(bytes);
    if (bytes >= LARGE_BYTES) {
      const { reserveBytes } = this;
      const reserve = asm.malloc(reserveBytes);
      asm.free(reserve === 0 ? address : reserve);
      if (reserve === 0) throw this.#full(bytes + reserveBytes);
    }
    if (this.#sizes !== null) {
      this.#sizes.set(address >>> 0, bytes);
      this.#live += bytes;
      this.#peak = Math.max(this.#peak, this.#live);
    }
    return address;
  }

  #free(address: number): void {
    this.#live -= this.#sizes?.get(address >>> 0) ?? 0;
    this.#sizes?.delete(address >>> 0);
    this.#module.asm.free(address);
  }

  /** Notes whose limit was met, and answers the error. */
  #full(bytes: number): MemoryFull {
    const heldBytes = this.#module.asm.memory.buffer.byteLength;
    if (heldBytes + bytes <= MODULE_BYTES) this.#refusedAt ??= heldBytes;
    return new MemoryFull(bytes, heldBytes);
  }
}
