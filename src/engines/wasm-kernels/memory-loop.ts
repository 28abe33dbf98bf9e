/** Loops that copy and clear memory. */

import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { FunctionCode } from './assembler.js';
import { loopOn } from './loop-module.js';

/** Copies `rows` runs of `bytes` bytes in each of `images` images. The other parameters are steps to the next run and image. */
export const copyRunsOn = loopOn(() => {
  const code = new FunctionCode(['from', 'to', 'images', 'rows', 'bytes', 'fromImage', 'toImage', 'fromRow', 'toRow']);
  const { from, to, images, rows, bytes, fromImage, toImage, fromRow, toRow } = code.parameters;
  const [fromAt, toAt] = [code.variable('i32', from), code.variable('i32', to)];
  code.repeat(images, () => {
    code.set(fromAt, from);
    code.set(toAt, to);
    code.repeat(rows, () => {
      code.copyBytes({ from: fromAt, to: toAt, count: bytes });
      code.advance(fromAt, fromRow);
      code.advance(toAt, toRow);
    });
    code.advance(from, fromImage);
    code.advance(to, toImage);
  });
  return code;
});

const clearOn = loopOn(() => {
  const code = new FunctionCode(['to', 'bytes']);
  code.clearBytes(code.parameters.to, code.parameters.bytes);
  return code;
});

/** Sets `bytes` bytes from the address `to` on to zero. */
export function clearMemory(backend: BackendWasm, to: number, bytes: number): void {
  clearOn(backend)({ to, bytes });
}
