/**
 * A recording: the TensorFlow operations of one call of a function over tensors, a program that can be written as a graph. It
 * is plain data. Code that changes a recording makes a new one.
 *
 * Invariants: an operation's inputs are made by earlier operations. Handles, reference counts, disposal and clones of
 * tfjs do not appear here. DataType numbers are TensorFlow's (types.proto).
 */

/** TensorFlow's numbers for the types of elements that occur here (tensorflow/core/framework/types.proto). */
export const DATA_TYPE = { float32: 1, int32: 3, string: 7, int64: 9, bool: 10, bfloat16: 14, resource: 20 } as const;

export interface TensorType {
  /** One of TensorFlow's DataType numbers. */
  readonly dtype: number;
  readonly shape: readonly number[];
}

/** The source of a value. */
export type Value =
  /** Given at each call, by name. */
  | { readonly from: 'feed'; readonly name: string }
  /** State that outlives the call, as it is at the call's beginning. */
  | { readonly from: 'variable'; readonly index: number }
  | { readonly from: 'constant'; readonly index: number }
  | { readonly from: 'operation'; readonly index: number; readonly output: number };

/** The kinds of attributes, in the order of tfjs's numbers for them (TF_AttrType). */
export const ATTRIBUTE_KINDS = ['string', 'int', 'float', 'bool', 'type', 'shape'] as const;
export type AttributeKind = (typeof ATTRIBUTE_KINDS)[number];
type Scalar = string | number | boolean;

export interface Attribute {
  readonly name: string;
  readonly kind: AttributeKind;
  /** An array is a list of the kind; for `shape` it is the shape itself. */
  readonly value: Scalar | readonly Scalar[];
}

export interface Operation {
  /** TensorFlow's name, for example `Conv2D`. */
  readonly op: string;
  readonly attributes: readonly Attribute[];
  readonly inputs: readonly Value[];
  readonly outputs: readonly TensorType[];
}

export interface Constant extends TensorType {
  /** Row-major, as many elements as the shape has. A bool is a byte. */
  readonly data: Float32Array | Int32Array | Uint8Array;
}

export interface Recording {
  readonly feeds: Readonly<Record<string, TensorType>>;
  readonly variables: readonly TensorType[];
  readonly constants: readonly Constant[];
  readonly operations: readonly Operation[];
  /** The value of each variable after the call; null when the call does not change it. */
  readonly assignments: readonly (Value | null)[];
  readonly outputs: Readonly<Record<string, Value>>;
}

/** The type of a value of the recording. Throws RangeError when there is no such value. */
export function typeOfValue(recording: Recording, value: Value): TensorType {
  const type = lookUp(recording, value);
  if (type === undefined) throw new RangeError(`no such value in the recording: ${JSON.stringify(value)}`);
  return type;
}

function lookUp({ feeds, variables, constants, operations }: Recording, value: Value): TensorType | undefined {
  switch (value.from) {
    case 'feed':
      return feeds[value.name];
    case 'variable':
      return variables[value.index];
    case 'constant':
      return constants[value.index];
    case 'operation':
      return operations[value.index]?.outputs[value.output];
  }
}
