/**
 * float16 (IEEE 754 binary16) in messages: half the bytes, 11 bits of a number, at most 65,504. Plain arithmetic on bits, for
 * JavaScript here has no float16 array. Each element holds the 16 bits of a number.
 */

/** The largest number that float16 holds. */
export const HALF_MAX = 65_504;

/** The bits, or the first number that float16 cannot hold with its index. */
export type HalfResult =
  | { readonly fits: true; readonly bits: Uint16Array }
  | { readonly fits: false; readonly index: number; readonly value: number };

/** Rounds each number to the nearest half, and a number halfway between two to the even one. Numbers beyond HALF_MAX, and NaN, do not fit. */
export function toHalf(values: Float32Array): HalfResult {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const magnitude = word & 0x7fffffff;
    if (magnitude > LARGEST) return { fits: false, index: i, value: values[i]! };
    bits[i] = ((word >>> 16) & 0x8000) | (magnitude < SMALLEST_NORMAL ? subnormalOf(magnitude) : normalOf(magnitude));
  }
  return { fits: true, bits };
}

/** The numbers of these halves. Exact, because each half is a float32. Infinities and NaN stay as they are. */
export function fromHalf(bits: Uint16Array): Float32Array {
  const values = new Float32Array(bits.length);
  const words = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i]!;
    const magnitude = half & 0x7fff;
    const sign = (half & 0x8000) << 16;
    if (magnitude >= 0x7c00) words[i] = sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
    else if (magnitude >= 0x400) words[i] = sign | ((magnitude << 13) + EXPONENT_STEP);
    else {
      values[i] = magnitude * 2 ** -24;
      words[i]! |= sign;
    }
  }
  return values;
}

/** As float32's bits: 65,504; 2^-14; and the difference of the exponents' zeros, 127 - 15, in place. */
const LARGEST = 0x477fe000;
const SMALLEST_NORMAL = 0x38800000;
const EXPONENT_STEP = 0x38000000;

function normalOf(magnitude: number): number {
  return roundedShift(magnitude - EXPONENT_STEP, 13);
}

/** The half of a magnitude below the smallest normal one, in steps of 2^-24. */
function subnormalOf(magnitude: number): number {
  const exponent = magnitude >>> 23;
  // Less than half a step, 2^-25, rounds to 0.
  if (exponent < 102) return 0;
  return roundedShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent);
}

/** The value without the last `count` bits, rounded to the nearest, halfway to the even one. */
function roundedShift(value: number, count: number): number {
  const kept = value >>> count;
  const rest = value & ((1 << count) - 1);
  const half = 1 << (count - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}
