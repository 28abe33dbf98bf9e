import { describe, expect, test } from 'vitest';
import { fromHalf, HALF_MAX, toHalf } from '../../../src/tensor/half.js';

/** The number that 16 bits stand for, by the definition of binary16. */
function numberOf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const ALL = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);
const isNumber = (bits: number) => (bits & 0x7c00) !== 0x7c00;

function bitsOf(...values: number[]): number[] {
  const result = toHalf(Float32Array.from(values));
  if (!result.fits) throw new Error(`${result.value} does not fit`);
  return [...result.bits];
}

describe('float16', () => {
  test('each of the 65,536 halves is the float32 that its bits stand for, the sign of zero with it', () => {
    const values = fromHalf(ALL);
    for (const bits of ALL) expect(Object.is(values[bits], numberOf(bits)), `bits ${bits}`).toBe(true);
  });

  test('each finite half comes back as the same bits', () => {
    const finite = ALL.filter(isNumber);
    const result = toHalf(fromHalf(finite));
    expect(result.fits && result.bits).toEqual(finite);
  });

  test('numbers between two halves go to the nearer one, and from the middle to the even one', () => {
    // All neighbours of one sign; those of the other are the same bits with the sign's.
    for (let low = 0; low < 0x7bff; low++) {
      const [a, b] = [numberOf(low), numberOf(low + 1)];
      const middle = (a + b) / 2;
      // The next float32 on either side: of 24 bits where a half has 11.
      const step = (b - a) / 2 ** 12;
      const even = low % 2 === 0 ? low : low + 1;
      expect(bitsOf(middle - step, middle, middle + step), `between ${a} and ${b}`).toEqual([low, even, low + 1]);
      expect(bitsOf(step - middle, -middle)).toEqual([0x8000 | low, 0x8000 | even]);
    }
  });

  test('what is less than half of the smallest half is a zero with its sign', () => {
    expect(bitsOf(2 ** -25, 2 ** -26, -(2 ** -126), 1e-45, -0, 2 ** -25 + 2 ** -48)).toEqual([0, 0, 0x8000, 0, 0x8000, 1]);
  });

  test('numbers beyond the largest half, infinities and NaN do not fit, and it is said which and where', () => {
    expect(bitsOf(HALF_MAX, -HALF_MAX)).toEqual([0x7bff, 0xfbff]);
    const beyond = new Float32Array(new Uint32Array([0x477fe001]).buffer)[0]!;
    for (const value of [beyond, -beyond, 65_520, 2 ** 100, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
      expect(toHalf(Float32Array.of(1, 2, value, 4))).toEqual({ fits: false, index: 2, value });
    }
  });

  test('a part of a larger buffer is read from its own place', () => {
    const part = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const result = toHalf(part);
    expect(result.fits && [...fromHalf(result.bits)]).toEqual([1, 2]);
  });
});
