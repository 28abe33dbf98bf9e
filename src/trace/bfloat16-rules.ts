/**
 * Which operations of TensorFlow are worth computing in bfloat16, and which of their inputs and outputs then have that
 * type.
 *
 * The lists follow those of TensorFlow's own rewrite for oneDNN (tensorflow/core/grappler/optimizers/auto_mixed_precision_lists.h,
 * AutoMixedPrecisionListsMkl), narrowed by measurement on a processor with AMX. Left out are operations that take longer in
 * bfloat16 than in float32 with two casts (Sigmoid, Elu, Selu, Softplus, Tanh), operations that add many numbers up in bfloat16
 * (BiasAddGrad), and the operations of losses, statistics and optimisers. TensorFlow's rewrite also keeps an operation
 * in float32 downstream of an unsafe one, for float16's sake; bfloat16 has float32's range and needs no such rule.
 */

import { type Attribute, DATA_TYPE, type Operation, type Recording, typeOfValue } from './recording.js';

/** Convolutions and matrix products, which take most of the time. They compute in bfloat16 whatever is around them. */
const HEAVY: ReadonlySet<string> = new Set([
  'Conv2D',
  'Conv2DBackpropInput',
  'Conv2DBackpropFilter',
  'DepthwiseConv2dNative',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
  'MatMul',
  'BatchMatMul',
  'BatchMatMulV2',
]);

/** Operations bound by memory. They go into bfloat16 where they stand between heavy ones, to save the casts and half the bytes. */
const LIGHT: ReadonlySet<string> = new Set([
  ...['Add', 'AddV2', 'AddN', 'BiasAdd', 'Mul'],
  ...['FusedBatchNormV3', 'FusedBatchNormGradV3'],
  ...['Relu', 'ReluGrad', 'Relu6', 'Relu6Grad', 'LeakyRelu', 'LeakyReluGrad'],
  ...['MaxPool', 'MaxPoolGrad', 'AvgPool', 'AvgPoolGrad'],
  // A cast between equal types, which tfjs makes often.
  ...['Cast', 'Identity', 'Reshape', 'Transpose', 'Pad', 'PadV2', 'MirrorPad', 'ConcatV2', 'Pack', 'Slice', 'SplitV', 'Tile'],
]);

/** Operations whose first inputs and outputs alone are of type T; their scales, offsets and statistics are float32. */
const LEADING: Readonly<Record<string, { readonly inputs: number; readonly outputs: number }>> = {
  FusedBatchNormV3: { inputs: 1, outputs: 1 },
  FusedBatchNormGradV3: { inputs: 2, outputs: 1 },
};

/**
 * A matrix product of fewer multiply-adds than this (usually a classifier's last layer) stays in float32: it takes as long
 * either way, and logits keep their precision.
 */
const SMALL_PRODUCT = 2 ** 21;

/** `heavy` and `light`: see the lists. An `other` operation is not changed. */
export type Role = 'heavy' | 'light' | 'other';

/** The role of an operation of the recording. One whose type is not float32 is `other`. */
export function roleOf(recording: Recording, operation: Operation): Role {
  const types = operation.attributes.filter(isType);
  if (types.length === 0 || types.some(({ value }) => value !== DATA_TYPE.float32)) return 'other';
  if (HEAVY.has(operation.op)) return isSmallProduct(recording, operation) ? 'other' : 'heavy';
  return LIGHT.has(operation.op) ? 'light' : 'other';
}

/** The positions of the inputs and outputs of an operation that have the type of its attribute T, where that is float32. */
export function typedPorts(recording: Recording, { op, inputs, outputs }: Operation): { inputs: number[]; outputs: number[] } {
  const leading = LEADING[op] ?? { inputs: inputs.length, outputs: outputs.length };
  return {
    inputs: positionsOfFloats(inputs.slice(0, leading.inputs).map((value) => typeOfValue(recording, value).dtype)),
    outputs: positionsOfFloats(outputs.slice(0, leading.outputs).map(({ dtype }) => dtype)),
  };
}

/** The attributes with T (in a cast, both types) set to bfloat16. */
export function attributesInBfloat16(attributes: readonly Attribute[]): Attribute[] {
  return attributes.map((attribute) => (isType(attribute) ? { ...attribute, value: DATA_TYPE.bfloat16 } : attribute));
}

/** Whether this is the attribute T, or one of the two types of a cast. */
function isType({ name, kind }: Attribute): boolean {
  return kind === 'type' && (name === 'T' || name === 'SrcT' || name === 'DstT');
}

function positionsOfFloats(dtypes: readonly number[]): number[] {
  return dtypes.flatMap((dtype, position) => (dtype === DATA_TYPE.float32 ? [position] : []));
}

function isSmallProduct(recording: Recording, { op, attributes, inputs, outputs }: Operation): boolean {
  const transposed = { MatMul: 'transpose_a', BatchMatMul: 'adj_x', BatchMatMulV2: 'adj_x' }[op];
  const [first] = inputs;
  const [product] = outputs;
  if (transposed === undefined || first === undefined || product === undefined) return false;
  const isTransposed = attributes.some(({ name, value }) => name === transposed && value === true);
  const depth = typeOfValue(recording, first).shape.at(isTransposed ? -2 : -1) ?? 1;
  return product.shape.reduce((count, length) => count * length, depth) < SMALL_PRODUCT;
}
