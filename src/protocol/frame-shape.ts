/**
 * Checks a MessagePack frame before anything is decoded: it is one whole value made only of maps, arrays, strings,
 * numbers, booleans and null, not nested too deep, and no length in it claims more than the frame holds.
 * Decoding is codec.ts. Invariants: never throws, never allocates in proportion to a length that it reads.
 */

/** The meaning of a type byte: the number of bytes of its own that follow it, and the number of values inside; or a fault in words. */
type Token = { readonly bytes: number; readonly values: number } | string;

/** The reason why the frame is not acceptable, as the end of a sentence; null when it is acceptable. */
export function shapeProblem(frame: Uint8Array, depthMax: number): string | null {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  /** The values still to come on each open level. The frame itself is one value. */
  const open = [1];
  let at = 0;
  while (open.length > 0) {
    if (at >= frame.byteLength) return `the frame ends inside a value, at byte ${at}`;
    const token = tokenAt(view, at);
    if (typeof token === 'string') return `${token} at byte ${at}`;
    at += 1 + token.bytes;
    if (at + token.values > frame.byteLength) return `a length claims more than the frame's ${frame.byteLength} bytes`;
    open[open.length - 1]! -= 1;
    if (token.values > 0) open.push(token.values);
    if (open.length > depthMax + 1) return `nested deeper than ${depthMax}`;
    while (open.at(-1) === 0) open.pop();
  }
  return at === frame.byteLength ? null : `${frame.byteLength - at} bytes after the message`;
}

function tokenAt(view: DataView, at: number): Token {
  const byte = view.getUint8(at);
  if (byte <= 0x7f || byte >= 0xe0) return { bytes: 0, values: 0 };
  if (byte <= 0x8f) return { bytes: 0, values: 2 * (byte & 0x0f) };
  if (byte <= 0x9f) return { bytes: 0, values: byte & 0x0f };
  if (byte <= 0xbf) return { bytes: byte & 0x1f, values: 0 };
  switch (byte) {
    case 0xc0: // null
    case 0xc2: // false
    case 0xc3: // true
      return { bytes: 0, values: 0 };
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return { bytes: 1, values: 0 };
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return { bytes: 2, values: 0 };
    case 0xce: // uint 32
    case 0xd2: // int 32
      return { bytes: 4, values: 0 };
    case 0xcb: // float 64
      return { bytes: 8, values: 0 };
    default:
      return sizedTokenAt(view, at, byte);
  }
}

/** Strings, arrays and maps whose length follows the type byte in one, two or four bytes. */
function sizedTokenAt(view: DataView, at: number, byte: number): Token {
  const width = LENGTH_BYTES[byte];
  if (width === undefined) return `type byte 0x${byte.toString(16)}, which no message has,`;
  if (at + 1 + width > view.byteLength) return 'a length that is cut short';
  const length = width === 1 ? view.getUint8(at + 1) : width === 2 ? view.getUint16(at + 1) : view.getUint32(at + 1);
  if (byte <= 0xdb) return { bytes: width + length, values: 0 };
  return { bytes: width, values: byte <= 0xdd ? length : 2 * length };
}

const LENGTH_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 217: 1, 218: 2, 219: 4, 220: 2, 221: 4, 222: 2, 223: 4 };
