/**
 * Runs a function over tensors once, eagerly, and writes down each operation that the native binding is asked to run. At the
 * binding every value has a number that is never used again, so clones, disposal and reference counts of tfjs do not show.
 *
 * Invariants: while recording, the backend's binding is an object that inherits from the real one; the real one is always
 * put back. The function really runs, to its end even when it is refused. Variables of the list change as they would without
 * the recorder; other variables are as before.
 */

import * as tf from '@tensorflow/tfjs-core';
import { present } from '../base/assert.js';
import { messageOf } from '../errors/stillhouse-error.js';
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
import { watchDraws } from './watch-draws.js';

/** A value that is given at each call. */
export interface FeedArray {
  readonly shape: readonly number[];
  /** As many elements as the shape has; float32 or int32 by its class. */
  readonly data: Float32Array | Int32Array;
}

export interface RecordOptions<Feeds extends string> {
  /** The values that are given anew at each call. They are neither changed nor kept. */
  readonly feeds: Readonly<Record<Feeds, FeedArray>>;
  /** All state that the function reads and changes. Other tensors that it reads become constants; it may not read other variables. */
  readonly variables: readonly tf.Variable[];
  /** Variables that do not change. Their values become constants. */
  readonly frozen?: readonly tf.Variable[];
  /**
   * Called once, in a tf.tidy, with a tensor for each feed; returns the outputs by name. It may call `cut` once, at the place
   * where the call can be cut in two.
   */
  run(feeds: Readonly<Record<Feeds, tf.Tensor>>, cut: () => void): Readonly<Record<string, tf.Tensor>>;
}

export interface RecordedCall {
  readonly recording: Recording;
  /** The outputs of this call. */
  readonly results: Readonly<Record<string, NativeArray>>;
  /** The number of operations before the cut; the number of all operations when there is no cut. */
  readonly cutAt: number;
}

/**
 * Records one call. Throws TraceRefusal when the function throws, reads a value back, draws random numbers, makes a variable,
 * reads or changes a variable that is not in the lists, or uses a thing that a graph cannot hold.
 */
export function record<Feeds extends string>({ feeds, variables, frozen = [], run }: RecordOptions<Feeds>): RecordedCall {
  const backend = nativeBackend();
  let recorded!: RecordedCall;
  tf.tidy(() => {
    // Variables may share memory, and so a handle, with each other: each gets a handle of its own.
    for (const variable of [...variables, ...frozen]) variable.assign(freshHandle(backend, variable));
    const inputs = mapValues(feeds, ({ shape, data }) =>
      tf.tensor(data.slice(), [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    );
    const foreign = new ForeignVariables([...variables, ...frozen]);
    const tape = new Tape(backend, foreign.handles(backend));
    for (const [name, tensor] of Object.entries<tf.Tensor>(inputs)) tape.declare(tensor, { from: 'feed', name });
    variables.forEach((variable, index) => {
      tape.declare(variable, { from: 'variable', index });
    });
    let cutAt: number | null = null;
    const outputs = tape.watch(() =>
      foreign.guard(() =>
        run(inputs, () => {
          cutAt = tape.operations.length;
        }),
      ),
    );
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
    const results = mapValues(outputs, (tensor) => backend.binding.tensorDataSync(handleOf(backend, tensor)));
    tape.throwRefusal();
    recorded = { recording, results, cutAt: cutAt ?? tape.operations.length };
  });
  return recorded;
}

function mapValues<Key extends string, A, B>(record: Readonly<Record<Key, A>>, change: (value: A) => B): Record<Key, B> {
  return Object.fromEntries(Object.entries<A>(record).map(([key, value]) => [key, change(value)])) as Record<Key, B>;
}

/** A new tensor on the tensor's memory. Nothing is copied. */
function freshHandle(backend: NativeBackend, tensor: tf.Tensor): tf.Tensor {
  const type = { name: 'T', type: ATTRIBUTE_KINDS.indexOf('type'), value: backend.typeAttributeFromTensor(tensor) };
  return backend.executeSingleOutput('Identity', [type], [tensor]);
}

function typeOf(backend: NativeBackend, tensor: tf.Tensor): { dtype: number; shape: number[] } {
  return { dtype: backend.typeAttributeFromTensor(tensor), shape: [...tensor.shape] };
}

function handleOf(backend: NativeBackend, tensor: tf.Tensor): number {
  return present(backend.getInputTensorIds([tensor])[0], 'the handle of a tensor');
}

function allVariables(): tf.Variable[] {
  return Object.values(tf.engine().registeredVariables);
}

/** The variables that do not belong to the function: a graph would keep their values as constants. Must be made within tf.tidy. */
class ForeignVariables {
  /** The value of each variable before the function runs. */
  readonly #before: ReadonlyMap<tf.Variable, tf.Tensor>;
  readonly #own: ReadonlySet<tf.Variable>;

  constructor(own: readonly tf.Variable[]) {
    this.#own = new Set(own);
    const foreign = allVariables().filter((variable) => !this.#own.has(variable));
    this.#before = new Map(foreign.map((variable) => [variable, tf.clone(variable)]));
  }

  /** The names of the variables, by handle. */
  handles(backend: NativeBackend): ReadonlyMap<number, string> {
    return new Map([...this.#before].map(([variable, value]) => [handleOf(backend, value), variable.name]));
  }

  /** Runs the function, then gives the variables their values from before. Throws TraceRefusal when the function changed or made one. */
  guard<T>(run: () => T): T {
    try {
      const result = run();
      for (const variable of allVariables()) this.#check(variable);
      return result;
    } finally {
      for (const [variable, value] of this.#before) {
        if (!variable.isDisposed && variable.dataId !== value.dataId) variable.assign(value);
      }
    }
  }

  #check(variable: tf.Variable): void {
    if (this.#own.has(variable)) return;
    const value = this.#before.get(variable);
    if (value === undefined) throw new TraceRefusal(`the step makes a variable, ${variable.name}`);
    if (value.dataId !== variable.dataId) {
      throw new TraceRefusal(`the step changes ${variable.name}, which is neither a weight of the model nor a slot of the optimiser`);
    }
  }
}

/** Operations that draw anew each time they run: a replay would not do what the eager step does. */
const RANDOM_OPERATION = /^(Random[A-Z]|Multinomial$|TruncatedNormal$|ParameterizedTruncatedNormal$)/;

/** Types whose values can be written into a graph. */
const CONSTANT_TYPES: ReadonlySet<number> = new Set([DATA_TYPE.float32, DATA_TYPE.int32, DATA_TYPE.bool]);

/** The calls to the binding so far. */
class Tape {
  readonly operations: Operation[] = [];
  readonly constants: Constant[] = [];
  readonly #backend: NativeBackend;
  /** The real binding. */
  readonly #binding: NativeBinding;
  readonly #foreign: ReadonlyMap<number, string>;
  readonly #values = new Map<number, Value>();
  /** Constants that nothing has used yet. They are numbered by their first use, because tfjs uploads some when they are made and others later. */
  readonly #unused = new Map<number, Constant>();
  /** The first reason to refuse. The function runs on, because the recorder must not change what it does next or how it handles an error. */
  #refusal: string | null = null;

  constructor(backend: NativeBackend, foreign: ReadonlyMap<number, string>) {
    this.#backend = backend;
    this.#binding = backend.binding;
    this.#foreign = foreign;
  }

  declare(tensor: tf.Tensor, value: Value): void {
    this.#values.set(handleOf(this.#backend, tensor), value);
  }

  valueOf(tensor: tf.Tensor): Value {
    return this.#valueOfHandle(handleOf(this.#backend, tensor));
  }

  throwRefusal(): void {
    if (this.#refusal !== null) throw new TraceRefusal(this.#refusal);
  }

  /** Runs the function with the binding watched. Throws TraceRefusal, whatever the function throws. */
  watch<T>(run: () => T): T {
    // The binding's own methods cannot be assigned to.
    this.#backend.binding = Object.create(
      this.#binding,
      mapValues(this.#watchers(), (value) => ({ value })),
    ) as NativeBinding;
    try {
      const result = watchDraws(run, () =>
        this.#refuse('the step draws random numbers in JavaScript (Math.random), as Dropout and noise layers do'),
      );
      this.throwRefusal();
      return result;
    } catch (error) {
      this.throwRefusal();
      throw error instanceof TraceRefusal ? error : new TraceRefusal(`the step fails while it is recorded: ${messageOf(error)}`);
    } finally {
      this.#backend.binding = this.#binding;
    }
  }

  #watchers(): Pick<NativeBinding, 'executeOp' | 'createTensor' | 'tensorDataSync' | 'runSavedModel'> {
    const real = this.#binding;
    return {
      executeOp: (...call) => {
        const [op, attributes, inputs] = call;
        const values = inputs.map((id) => this.#valueOfHandle(id));
        const outputs = real.executeOp(...call);
        if (RANDOM_OPERATION.test(op)) this.#refuse(`the step draws random numbers (${op})`);
        this.#addOperation({ op, attributes, inputs: values, outputs });
        return outputs;
      },
      createTensor: (shape, dtype, values) => {
        const id = real.createTensor(shape, dtype, values);
        if (!ArrayBuffer.isView(values)) this.#refuse('the step makes a tensor of strings');
        else this.#unused.set(id, { shape: [...shape], dtype, data: values.slice() });
        return id;
      },
      tensorDataSync: (id) => {
        this.#refuse('the step reads a value back into JavaScript (dataSync, arraySync or data)');
        return real.tensorDataSync(id);
      },
      runSavedModel: (...call) => {
        this.#refuse('the step runs a SavedModel');
        return real.runSavedModel(...call);
      },
    };
  }

  #refuse(reason: string): void {
    this.#refusal ??= reason;
  }

  /** The value of a handle. A handle that was not declared was made before: its value is a constant of the function. */
  #valueOfHandle(id: number): Value {
    const known = this.#values.get(id);
    if (known !== undefined) return known;
    const made = this.#unused.get(id);
    if (made !== undefined) {
      this.#unused.delete(id);
      return this.#addConstant(id, made);
    }
    const variable = this.#foreign.get(id);
    if (variable !== undefined) {
      this.#refuse(`the step reads ${variable}, which is neither a weight of the model nor a slot of the optimiser`);
    }
    const [same] = this.#binding.executeOp('Identity', [], [id], 1);
    const { id: copy, dtype, shape } = present(same, 'a captured tensor');
    const data = this.#binding.tensorDataSync(copy);
    this.#binding.deleteTensor(copy);
    if (!CONSTANT_TYPES.has(dtype)) this.#refuse(`the step takes a tensor of a type that a graph's constants do not have (${dtype})`);
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
      attributes: call.attributes.map((attribute) => this.#attributeOf(call.op, attribute)),
      inputs: call.inputs,
      outputs: call.outputs.map(({ dtype, shape }) => ({ dtype, shape: [...shape] })),
    });
  }

  #attributeOf(op: string, { name, type, value }: NativeAttribute): Attribute {
    const kind = ATTRIBUTE_KINDS[type];
    if (kind === undefined) this.#refuse(`the attribute ${name} of ${op} is of a kind that a graph cannot hold (${type})`);
    return { name, kind: kind ?? 'int', value: Array.isArray(value) ? [...value] : (value as Attribute['value']) };
  }
}
