/** Limits the WebAssembly memories of this process, before an engine is opened. */

/** From now on no memory grows beyond this number of bytes, as if the machine had no more. */
export async function limitWasmMemory(bytes: number): Promise<void> {
  process.env.SMALL_WASM_BYTES = String(bytes);
  const patch: string = new URL('./process/small-wasm-memory.mjs', import.meta.url).href;
  await import(patch);
}
