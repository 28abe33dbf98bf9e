/**
 * Runs a function over tensors once, eagerly, and writes down what the native binding was asked to do. At the binding
 * every value has a number that is never used again, so clones, disposal and reference counts of tfjs do not show.
 *
 * Invariants: while recording, the backend's binding is an object that inherits from the real one; it is put back
 * whatever happens. The function really runs: variables change as without the recorder.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import {
  type NativeArray,
  type NativeAttribute,
  type NativeBackend,
  type NativeBinding,
  type NativeTensor,
  nativeBackend,
} from './native-backend.js';
import { ATTRIBUTE_KINDS, type Attribute, type Constant, DATA_TYPE, type Operation, type Recording, type Value } from './recording.js';
import { TraceRefusal } from './refusal.js';

/** A value that is given at each call. */
export interface FeedArray {
  readonly shape: readonly number[];
  /** As many elements as the shape has; float32 or int32 by its class. */
  readonly data: Float32Array | Int32Array;
}

export interface RecordOptions<Feeds extends string> {
  /** What is given anew at each call. Not changed, not kept. */
  readonly feeds: Readonly<Record<Feeds, FeedArray>>;
  /** All state that the function reads and changes. Other tensors that it reads are constants. */
  readonly variables: readonly tf.Variable[];
  /**
   * Called once, in a tf.tidy, with a tensor for each feed; answers the outputs by name. It may call `cut` once: where the
   * call can be cut in two.
   */
  run(feeds: Readonly<Record<Feeds, tf.Tensor>>, cut: () => void): Readonly<Record<string, tf.Tensor>>;
}

export interface RecordedCall {
  readonly recording: Recording;
  /** The outputs of this call. */
  readonly results: Readonly<Record<string, NativeArray>>;
  /** Operations before the cut; all, where there is none. */
  readonly cutAt: number;
}

/**
 * Records one call. Throws TraceRefusal when the function reads a value back, makes or changes a variable that is not
 * in the list, or uses what a graph cannot hold.
 */
export function record<Feeds extends string>({ feeds, variables, run }: RecordOptions<Feeds>): RecordedCall {
  const backend = nativeBackend();
  let recorded!: RecordedCall;
  tf.tidy(() => {
    // Variables may share memory, and so a handle, with each other: each gets a handle of its own.
    for (const variable of variables) variable.assign(freshHandle(backend, variable));
    const inputs = mapValues(feeds, ({ shape, data }) =>
      tf.tensor(data.slice(), [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    );
    const tape = new Tape(backend);
    for (const [name, tensor] of Object.entries<tf.Tensor>(inputs)) tape.declare(tensor, { from: 'feed', name });
    variables.forEach((variable, index) => {
      tape.declare(variable, { from: 'variable', index });
    });
    const before = new Map(allVariables().map((variable) => [variable, variable.dataId]));
    let cutAt: number | null = null;
    const outputs = tape.watch(() =>
      run(inputs, () => {
        cutAt = tape.operations.length;
      }),
    );
    refuseForeignChanges(before, new Set(variables));
    const recording: Recording = {
      feeds: mapValues(inputs, (tensor) => typeOf(backend, tensor)),
      variables: variables.map((variable) => typeOf(backend, variable)),
      constants: tape.constants,
      operations: tape.operations,
      assignments: variables.map((variable, index) => {
        const value = tape.valueOf(variable);
        return value.from === 'variable' && value.index === index ? null : value;
      }),
      outputs: mapValues(outputs, (tensor) => tape.valueOf(tensor)),
    };
    const results = mapValues(outputs, (tensor) => backend.binding.tensorDataSync(tape.handleOf(tensor)));
    recorded = { recording, results, cutAt: cutAt ?? tape.operations.length };
  });
  return recorded;
}

function mapValues<Key extends string, A, B>(record: Readonly<Record<Key, A>>, change: (value: A) => B): Record<Key, B> {
  return Object.fromEntries(Object.entries<A>(record).map(([key, value]) => [key, change(value)])) as Record<Key, B>;
}

/** Shares the tensor's memory; nothing is copied. */
function freshHandle(backend: NativeBackend, tensor: tf.Tensor): tf.Tensor {
  const type = { name: 'T', type: ATTRIBUTE_KINDS.indexOf('type'), value: backend.typeAttributeFromTensor(tensor) };
  return backend.executeSingleOutput('Identity', [type], [tensor]);
}

function typeOf(backend: NativeBackend, tensor: tf.Tensor): { dtype: number; shape: number[] } {
  return { dtype: backend.typeAttributeFromTensor(tensor), shape: [...tensor.shape] };
}

function allVariables(): tf.Variable[] {
  return Object.values(tf.engine().registeredVariables);
}

function refuseForeignChanges(before: ReadonlyMap<tf.Variable, object>, own: ReadonlySet<tf.Variable>): void {
  for (const variable of allVariables()) {
    const dataId = before.get(variable);
    if (dataId === undefined) throw new TraceRefusal(`the step makes a variable, ${variable.name}`);
    if (dataId !== variable.dataId && !own.has(variable)) {
      throw new TraceRefusal(`the step changes ${variable.name}, which is neither a weight of the model nor a slot of the optimiser`);
    }
  }
}

/** What has been asked of the binding so far. */
class Tape {
  readonly operations: Operation[] = [];
  readonly constants: Constant[] = [];
  readonly #backend: NativeBackend;
  readonly #values = new Map<number, Value>();
  #watched = false;

  constructor(backend: NativeBackend) {
    this.#backend = backend;
  }

  declare(tensor: tf.Tensor, value: Value): void {
    this.#values.set(this.handleOf(tensor), value);
  }

  valueOf(tensor: tf.Tensor): Value {
    return this.#valueOfHandle(this.handleOf(tensor));
  }

  /** Runs the function with the binding watched. */
  watch<T>(run: () => T): T {
    const real = this.#backend.binding;
    const executeOp: NativeBinding['executeOp'] = (op, attributes, inputs, count) => {
      const values = inputs.map((id) => this.#valueOfHandle(id));
      const outputs = real.executeOp(op, attributes, inputs, count);
      this.#addOperation({ op, attributes, inputs: values, outputs });
      return outputs;
    };
    const createTensor: NativeBinding['createTensor'] = (shape, dtype, values) => {
      const id = real.createTensor(shape, dtype, values);
      this.#addConstant(id, { shape: [...shape], dtype, data: copyOf(values) });
      return id;
    };
    const tensorDataSync = () => {
      throw new TraceRefusal('the step reads a value back into JavaScript (dataSync, arraySync or data)');
    };
    // The binding's own methods cannot be assigned to.
    const watched = Object.create(real, {
      executeOp: { value: executeOp },
      createTensor: { value: createTensor },
      tensorDataSync: { value: tensorDataSync },
    }) as NativeBinding;
    this.#backend.binding = watched;
    this.#watched = true;
    try {
      return run();
    } finally {
      this.#backend.binding = real;
      this.#watched = false;
    }
  }

  handleOf(tensor: tf.Tensor): number {
    return present(this.#backend.getInputTensorIds([tensor])[0], 'the handle of a tensor');
  }

  /** A handle that nobody has declared was made before: its value is a constant of the function. */
  #valueOfHandle(id: number): Value {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    return this.#captureConstant(id);
  }

  /** Only while watching, or after it: the real binding is behind the watched one either way. */
  #captureConstant(id: number): Value {
    const { binding } = this.#backend;
    const real = this.#watched ? (Object.getPrototypeOf(binding) as typeof binding) : binding;
    const data = real.tensorDataSync(id);
    const dtype = data instanceof Float32Array ? DATA_TYPE.float32 : data instanceof Int32Array ? DATA_TYPE.int32 : DATA_TYPE.bool;
    const [same] = real.executeOp('Identity', [{ name: 'T', type: ATTRIBUTE_KINDS.indexOf('type'), value: dtype }], [id], 1);
    const { id: copy, shape } = present(same, 'a captured tensor');
    real.deleteTensor(copy);
    return this.#addConstant(id, { dtype, shape: [...shape], data });
  }

  #addConstant(id: number, constant: Constant): Value {
    const value: Value = { from: 'constant', index: this.constants.push(constant) - 1 };
    this.#values.set(id, value);
    return value;
  }

  #addOperation(call: { op: string; attributes: readonly NativeAttribute[]; inputs: readonly Value[]; outputs: NativeTensor[] }): void {
    const index = this.operations.length;
    call.outputs.forEach(({ id }, output) => {
      this.#values.set(id, { from: 'operation', index, output });
    });
    this.operations.push({
      op: call.op,
      attributes: call.attributes.map((attribute) => attributeOf(call.op, attribute)),
      inputs: call.inputs,
      outputs: call.outputs.map(({ dtype, shape }) => ({ dtype, shape: [...shape] })),
    });
  }
}

function copyOf(values: NativeArray): NativeArray {
  if (ArrayBuffer.isView(values)) return values.slice();
  throw new TraceRefusal('the step makes a tensor of strings');
}

function attributeOf(op: string, { name, type, value }: NativeAttribute): Attribute {
  const kind = ATTRIBUTE_KINDS[type];
  if (kind === undefined) throw new TraceRefusal(`the attribute ${name} of ${op} is of a kind that a graph cannot hold`);
  return { name, kind, value: Array.isArray(value) ? [...value] : (value as Attribute['value']) };
}
