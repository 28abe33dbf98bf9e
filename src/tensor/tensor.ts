/** Wire tensors: the content of a raw frame. No tfjs here; engines make their own tensors from these. */

/** The number of bytes of an element. A float16 is held as its 16 bits (half.ts). */
export const DTYPE_BYTES = { float32: 4, float16: 2, int32: 4, int8: 1, uint8: 1 } as const;
export type DType = keyof typeof DTYPE_BYTES;

/** The description, in a header, of the raw frame that follows it. Row-major, little-endian. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: DType;
  /** Sizes of the axes, each a whole number from 0. */
  readonly shape: readonly number[];
}

export interface WireTensor extends TensorSpec {
  /** Exactly product(shape) elements. The holder must not change it while a transport may still read it. */
  readonly data: Float32Array | Uint16Array | Int32Array | Int8Array | Uint8Array;
}

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, axis) => product * axis, 1);
}
