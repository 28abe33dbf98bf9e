// For --import: no WebAssembly memory of the process grows beyond SMALL_WASM_BYTES, as if the machine had no more.

const { prototype } = WebAssembly.Memory;
const { grow } = prototype;
const mostBytes = Number(process.env.SMALL_WASM_BYTES);

prototype.grow = function growLittle(pages) {
  if (this.buffer.byteLength + pages * 65_536 > mostBytes)
    throw new RangeError('WebAssembly.Memory.grow(): Unable to grow instance memory');
  return grow.call(this, pages);
};
