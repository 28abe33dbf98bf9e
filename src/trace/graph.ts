/**
 * Recordings as one TensorFlow graph: each is a function with placeholders and named outputs, all on the same variables.
 * Pure; saved-model.ts turns a graph into bytes.
 *
 * Invariants: a function reads a variable once, before it assigns it, and its outputs wait for all its assignments: one
 * call is one whole step. Variables are resources of the session; they are empty until `set` has filled them.
 */

import { assert, present } from '../base/assert.js';
import { type Attribute, type Constant, DATA_TYPE, type Recording, type TensorType, typeOfValue, type Value } from './recording.js';

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** `node:0` for a value, `^node` for a node that must run before. */
  readonly inputs: readonly string[];
  readonly attributes: readonly (Attribute | TensorAttribute)[];
  /** For readers of a listing, where known; TensorFlow infers the types itself. */
  readonly outputs?: readonly TensorType[];
}

export interface TensorAttribute {
  readonly name: string;
  readonly kind: 'tensor';
  readonly value: Constant;
}

/** A value of the graph that is given or fetched. */
export interface Endpoint extends TensorType {
  /** `train/images:0` */
  readonly tensor: string;
}

/** A function that one native call runs. */
export interface GraphSignature {
  readonly inputs: Readonly<Record<string, Endpoint>>;
  readonly outputs: Readonly<Record<string, Endpoint>>;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly signatures: Readonly<Record<string, GraphSignature>>;
}

/** Variables [from, to) of the program, which go in and out as one flat array, float32. */
export interface ArenaRange {
  readonly from: number;
  readonly to: number;
}

export interface GraphPlan {
  /** By name. Each has the same list of variables, or the beginning of it. */
  readonly functions: Readonly<Record<string, Recording>>;
  /** Each range, by its name, gets the signatures `get.<name>` and `set.<name>`. */
  readonly arenas: Readonly<Record<string, ArenaRange>>;
  /** The variables that are destroyed after a function has run, by the function's name. */
  readonly released?: Readonly<Record<string, ArenaRange>>;
}

/** The graph of a program. */
export function buildGraph({ functions, arenas, released = {} }: GraphPlan): Graph {
  const recordings = Object.values(functions);
  const longest = recordings.reduce((most, next) => (next.variables.length > most.variables.length ? next : most));
  const builder = new GraphBuilder(longest.variables);
  const signatures: Record<string, GraphSignature> = {};
  for (const [name, recording] of Object.entries(functions)) {
    signatures[name] = addFunction(builder, { name, recording, released: released[name] ?? { from: 0, to: 0 } });
  }
  for (const [name, range] of Object.entries(arenas)) {
    if (range.from === range.to) continue;
    signatures[`get.${name}`] = addGet(builder, `get.${name}`, range);
    signatures[`set.${name}`] = addSet(builder, `set.${name}`, range);
  }
  return { nodes: builder.nodes, signatures };
}

/** The nodes so far. A value is named `node:output`. */
class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly variables: readonly TensorType[];

  constructor(variables: readonly TensorType[]) {
    this.variables = variables;
    variables.forEach(({ dtype, shape }, index) => {
      const attributes: Attribute[] = [typeAttribute('dtype', dtype), { name: 'shape', kind: 'shape', value: shape }];
      // The shared name is what makes all handles of the session one variable.
      attributes.push({ name: 'shared_name', kind: 'string', value: handleName(index) });
      this.add({ name: handleName(index), op: 'VarHandleOp', inputs: [], attributes });
    });
  }

  /** Adds a node and returns the name of its first value. */
  add(node: GraphNode): string {
    this.nodes.push(node);
    return `${node.name}:0`;
  }

  constant(name: string, value: Constant): string {
    const attributes = [typeAttribute('dtype', value.dtype), { name: 'value', kind: 'tensor', value } as const];
    return this.add({ name, op: 'Const', inputs: [], attributes });
  }

  placeholder(name: string, { dtype, shape }: TensorType): Endpoint {
    const attributes: Attribute[] = [typeAttribute('dtype', dtype), { name: 'shape', kind: 'shape', value: shape }];
    return { tensor: this.add({ name, op: 'Placeholder', inputs: [], attributes }), dtype, shape };
  }

  read(name: string, index: number): string {
    const { dtype } = present(this.variables[index], 'variable');
    return this.add({ name, op: 'ReadVariableOp', inputs: [`${handleName(index)}:0`], attributes: [typeAttribute('dtype', dtype)] });
  }

  /** Returns the node's name, for it has no value. */
  assign(name: string, { index, value, after }: { index: number; value: string; after: readonly string[] }): string {
    const { dtype } = present(this.variables[index], 'variable');
    const inputs = [`${handleName(index)}:0`, value, ...after.map((node) => `^${node}`)];
    this.add({ name, op: 'AssignVariableOp', inputs, attributes: [typeAttribute('dtype', dtype)] });
    return name;
  }

  identity(name: string, { value, dtype, after }: { value: string; dtype: number; after: readonly string[] }): string {
    const inputs = [value, ...after.map((node) => `^${node}`)];
    return this.add({ name, op: 'Identity', inputs, attributes: [typeAttribute('T', dtype)] });
  }
}

function addFunction(
  builder: GraphBuilder,
  { name, recording, released }: { name: string; recording: Recording; released: ArenaRange },
): GraphSignature {
  const { feeds, operations, constants, assignments, outputs } = recording;
  const inputs = Object.fromEntries(Object.entries(feeds).map(([feed, type]) => [feed, builder.placeholder(`${name}/${feed}`, type)]));
  const reads = recording.variables.map((_, index) => readName(name, index));
  const used = usedValues(recording);
  reads.forEach((node, index) => {
    if (used.variables.has(index)) builder.read(node, index);
  });
  constants.forEach((constant, index) => {
    if (used.constants.has(index)) builder.constant(constantName(name, index), constant);
  });
  const tensorOf = (value: Value) => tensorName(name, value, operations);
  operations.forEach(({ op, attributes, inputs: values, outputs: types }, index) => {
    builder.add({ name: operationName(name, index, op), op, inputs: values.map(tensorOf), attributes, outputs: types });
  });
  const assigned = assignments.flatMap((value, index) => {
    if (value === null) return [];
    const after = used.variables.has(index) ? [present(reads[index], 'read')] : [];
    return [builder.assign(`${name}/assign.${index}`, { index, value: tensorOf(value), after })];
  });
  const destroyed = range(released).map((index) => {
    const node = `${name}/release.${index}`;
    const after = used.variables.has(index) ? [`^${readName(name, index)}`] : [];
    builder.add({ name: node, op: 'DestroyResourceOp', inputs: [`${handleName(index)}:0`, ...after], attributes: [] });
    return node;
  });
  const after = [...assigned, ...destroyed];
  return {
    inputs,
    outputs: Object.fromEntries(
      Object.entries(outputs).map(([output, value]) => {
        const { dtype, shape } = typeOfValue(recording, value);
        const tensor = builder.identity(`${name}/${output}.out`, { value: tensorOf(value), dtype, after });
        return [output, { tensor, dtype, shape }];
      }),
    ),
  };
}

/** Reads a range of variables, joined in their order: [elements]. */
function addGet(builder: GraphBuilder, name: string, arena: ArenaRange): GraphSignature {
  const flat = range(arena).map((index) => {
    const value = builder.read(`${name}/read.${index}`, index);
    return reshape(builder, `${name}/flat.${index}`, { value, shape: [sizeOf(builder.variables[index])] });
  });
  const elements = range(arena).reduce((sum, index) => sum + sizeOf(builder.variables[index]), 0);
  const joined = flat.length === 1 ? present(flat[0], 'variable') : concatenate(builder, `${name}/joined`, flat);
  const tensor = builder.identity(`${name}/arena.out`, { value: joined, dtype: DATA_TYPE.float32, after: [] });
  return { inputs: {}, outputs: { arena: { tensor, dtype: DATA_TYPE.float32, shape: [elements] } } };
}

/** Fills a range of variables from one array, [elements], which is copied. */
function addSet(builder: GraphBuilder, name: string, arena: ArenaRange): GraphSignature {
  const sizes = range(arena).map((index) => sizeOf(builder.variables[index]));
  const elements = sizes.reduce((sum, size) => sum + size, 0);
  const input = builder.placeholder(`${name}/arena`, { dtype: DATA_TYPE.float32, shape: [elements] });
  const split = builder.constant(`${name}/sizes`, { dtype: DATA_TYPE.int32, shape: [sizes.length], data: Int32Array.from(sizes) });
  const axis = builder.constant(`${name}/axis`, scalar(0));
  const attributes: Attribute[] = [
    typeAttribute('T', DATA_TYPE.float32),
    typeAttribute('Tlen', DATA_TYPE.int32),
    { name: 'num_split', kind: 'int', value: sizes.length },
  ];
  builder.add({ name: `${name}/parts`, op: 'SplitV', inputs: [input.tensor, split, axis], attributes });
  const assigned = range(arena).map((index, part) => {
    const { dtype, shape } = present(builder.variables[index], 'variable');
    assert(dtype === DATA_TYPE.float32, `variable ${index} of an arena is of type ${dtype}, not float32`);
    const shaped = reshape(builder, `${name}/shaped.${index}`, { value: `${name}/parts:${part}`, shape });
    // A part may share the memory of the array that was given, which belongs to the caller.
    const own = builder.add({ name: `${name}/own.${index}`, op: 'DeepCopy', inputs: [shaped], attributes: [typeAttribute('T', dtype)] });
    return builder.assign(`${name}/assign.${index}`, { index, value: own, after: [] });
  });
  const done = builder.identity(`${name}/done.out`, { value: axis, dtype: DATA_TYPE.int32, after: assigned });
  return { inputs: { arena: input }, outputs: { done: { tensor: done, dtype: DATA_TYPE.int32, shape: [] } } };
}

function reshape(builder: GraphBuilder, name: string, { value, shape }: { value: string; shape: readonly number[] }): string {
  const to = builder.constant(`${name}.shape`, { dtype: DATA_TYPE.int32, shape: [shape.length], data: Int32Array.from(shape) });
  const attributes = [typeAttribute('T', DATA_TYPE.float32), typeAttribute('Tshape', DATA_TYPE.int32)];
  return builder.add({ name, op: 'Reshape', inputs: [value, to], attributes });
}

function concatenate(builder: GraphBuilder, name: string, values: readonly string[]): string {
  const axis = builder.constant(`${name}.axis`, scalar(0));
  const attributes: Attribute[] = [
    typeAttribute('T', DATA_TYPE.float32),
    typeAttribute('Tidx', DATA_TYPE.int32),
    { name: 'N', kind: 'int', value: values.length },
  ];
  return builder.add({ name, op: 'ConcatV2', inputs: [...values, axis], attributes });
}

interface UsedValues {
  readonly variables: ReadonlySet<number>;
  readonly constants: ReadonlySet<number>;
}

function usedValues({ operations, assignments, outputs }: Recording): UsedValues {
  const variables = new Set<number>();
  const constants = new Set<number>();
  const values = [...operations.flatMap(({ inputs }) => inputs), ...assignments, ...Object.values(outputs)];
  for (const value of values) {
    if (value?.from === 'variable') variables.add(value.index);
    if (value?.from === 'constant') constants.add(value.index);
  }
  return { variables, constants };
}

function tensorName(name: string, value: Value, operations: Recording['operations']): string {
  switch (value.from) {
    case 'feed':
      return `${name}/${value.name}:0`;
    case 'variable':
      return `${readName(name, value.index)}:0`;
    case 'constant':
      return `${constantName(name, value.index)}:0`;
    case 'operation':
      return `${operationName(name, value.index, present(operations[value.index], 'operation').op)}:${value.output}`;
  }
}

const handleName = (index: number) => `variable.${index}`;
const readName = (name: string, index: number) => `${name}/read.${index}`;
const constantName = (name: string, index: number) => `${name}/constant.${index}`;
const operationName = (name: string, index: number, op: string) => `${name}/${index}.${op}`;
const typeAttribute = (name: string, dtype: number): Attribute => ({ name, kind: 'type', value: dtype });
const scalar = (value: number): Constant => ({ dtype: DATA_TYPE.int32, shape: [], data: Int32Array.of(value) });
const range = ({ from, to }: ArenaRange) => Array.from({ length: to - from }, (_, i) => from + i);
const sizeOf = (type: TensorType | undefined) => present(type, 'variable').shape.reduce((size, axis) => size * axis, 1);
