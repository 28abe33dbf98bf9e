/** Recordings written by hand, for tests of what changes recordings, and how to read them. */

import {
  type Attribute,
  DATA_TYPE,
  type Operation,
  type Recording,
  type TensorType,
  typeOfValue,
  type Value,
} from '../../src/trace/recording.js';

const { float32, bfloat16, int32 } = DATA_TYPE;

export const image: TensorType = { dtype: float32, shape: [2, 4, 4, 3] };
export const filter: TensorType = { dtype: float32, shape: [3, 3, 3, 3] };
export const channels: TensorType = { dtype: float32, shape: [3] };

export function type(name: string, value: number): Attribute {
  return { name, kind: 'type', value };
}

export function constant(recording: Pick<Recording, 'constants'>, shape: number[], dtype: number = float32): Value {
  const size = shape.reduce((product, axis) => product * axis, 1);
  const data = dtype === int32 ? new Int32Array(size) : new Float32Array(size);
  return { from: 'constant', index: (recording.constants as unknown[]).push({ dtype, shape, data }) - 1 };
}

/** A recording with an image as feed `x`, two filters and two statistics as variables, and no operation yet. */
export function small() {
  const recording = {
    feeds: { x: image } as Record<string, TensorType>,
    variables: [filter, filter, channels, channels] as TensorType[],
    constants: [] as Recording['constants'][number][],
    operations: [] as Operation[],
    assignments: [null, null, null, null] as (Value | null)[],
    outputs: {} as Record<string, Value>,
  };
  type Input = Value | 'x';
  const valueOfInput = (input: Input): Value => (input === 'x' ? { from: 'feed', name: 'x' } : input);
  const add = (op: string, inputs: Input[], outputs: TensorType[], attributes = [type('T', float32)]): Value => {
    const index = recording.operations.push({ op, attributes, inputs: inputs.map(valueOfInput), outputs }) - 1;
    return { from: 'operation', index, output: 0 };
  };
  const conv = (input: Input, weights: number | Value) =>
    add('Conv2D', [input, typeof weights === 'number' ? { from: 'variable', index: weights } : weights], [image]);
  const relu = (input: Input) => add('Relu', [input], [image]);
  /** Its running mean, variable 2, is what the operation answers. */
  const batchNorm = (input: Input) => {
    const scale = constant(recording, [3]);
    const inputs = [input, scale, scale, { from: 'variable', index: 2 } as const, { from: 'variable', index: 3 } as const];
    const attributes: Attribute[] = [type('T', float32), type('U', float32), { name: 'epsilon', kind: 'float', value: 1e-5 }];
    const y = add('FusedBatchNormV3', inputs, [image, channels, channels, channels, channels, channels], attributes);
    recording.assignments[2] = { ...y, output: 1 } as Value;
    return y;
  };
  return { recording, add, conv, relu, batchNorm };
}

/** A line for each operation, then assignments and outputs. `b2` is bfloat16, `f` float32, `i` int32. */
export function listing(recording: Recording): string[] {
  const letter = (dtype: number) => ({ [float32]: 'f', [bfloat16]: 'b', [int32]: 'i' })[dtype] ?? '?';
  const name = (value: Value) => {
    if (value.from === 'feed') return value.name;
    if (value.from !== 'operation') return `${value.from} ${value.index}`;
    return `${letter(typeOfValue(recording, value).dtype)}${value.index}${value.output === 0 ? '' : `:${value.output}`}`;
  };
  return [
    ...recording.operations.map(({ op, inputs, outputs }, index) => {
      const made = outputs.map(({ dtype }, output) => (output === 0 ? `${letter(dtype)}${index}` : letter(dtype)));
      return `${made.join(',')} = ${op}(${inputs.map(name).join(', ')})`;
    }),
    ...recording.assignments.flatMap((value, index) => (value === null ? [] : [`variable ${index} := ${name(value)}`])),
    ...Object.entries(recording.outputs).map(([output, value]) => `${output}: ${name(value)}`),
  ];
}
