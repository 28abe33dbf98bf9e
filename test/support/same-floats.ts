/** Compares long arrays of numbers to the bit. vitest's own comparison takes gigabytes for some millions of numbers. */

/** Throws at the first number that differs. `what` names the arrays in the message. */
export function expectSameFloats(found: Float32Array, expected: Float32Array, what: string): void {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => Buffer.from(buffer, byteOffset, byteLength);
  if (bytesOf(found).equals(bytesOf(expected))) return;
  const at = found.findIndex((value, i) => !Object.is(value, expected[i]));
  throw new Error(`${what} differ: ${found.length} and ${expected.length} numbers, at ${at} ${found[at]}, expected ${expected[at]}`);
}
