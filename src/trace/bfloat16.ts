/**
 * Rewrites a recording so that its heavy part computes in bfloat16, as automatic mixed precision does: casts at the
 * borders, and float32 for parameters, optimiser, losses and statistics.
 *
 * Invariants: feeds, variables, assignments and outputs keep their types. A value is cast at most once to a type. The value
 * of an assignment is computed in float32, except for a heavy operation's own rounding (the gradient of a filter, say).
 */

import { present } from '../base/assert.js';
import { attributesInBfloat16, roleOf, typedPorts } from './bfloat16-rules.js';
import { DATA_TYPE, type Operation, type Recording, type TensorType, typeOfValue, type Value } from './recording.js';
import type { Precision } from './trace-notice.js';

/** A recording, and the number of its operations before the cut. */
interface CutPlan {
  readonly recording: Recording;
  readonly cutAt: number;
}

/**
 * The same computation with convolutions and large matrix products in bfloat16, and with them the light operations
 * between them. A recording without any is returned itself; values that are in bfloat16 already keep that type.
 */
export function toBfloat16(recording: Recording): Recording {
  return toBfloat16WithCut({ recording, cutAt: recording.operations.length }).recording;
}

/** The reason why a graph with the gradient of a loss by the images stays in fp32. */
export const FROM_SMALL_DIFFERENCES = 'it takes the gradient by the images from small differences, which bf16 does not show';

/** `bf16` when any value of the recording is bfloat16. */
export function precisionOf({ operations }: Recording): Precision {
  return operations.some(({ outputs }) => outputs.some(({ dtype }) => dtype === DATA_TYPE.bfloat16)) ? 'bf16' : 'fp32';
}

/**
 * The same for a recording that is to be cut in two; also answers the place of the cut in the new recording. Halves that
 * are converted after the cut would hand each other float32, and would not equal the whole step to the bit.
 */
export function toBfloat16WithCut({ recording, cutAt }: CutPlan): CutPlan {
  const lowered = operationsToLower(recording);
  if (lowered.size === 0) return { recording, cutAt };
  const conversion = new Conversion(recording, lowered);
  return {
    recording: {
      ...recording,
      operations: conversion.operations,
      assignments: recording.assignments.map((value) => value && conversion.original(value)),
      outputs: Object.fromEntries(Object.entries(recording.outputs).map(([name, value]) => [name, conversion.original(value)])),
    },
    cutAt: conversion.lengthAfter(cutAt),
  };
}

/**
 * The indices of the operations that go into bfloat16: the heavy ones, and the light ones that have a heavy one before and
 * after them with only light ones between. A light operation whose output is assigned is not such a bridge.
 */
function operationsToLower(recording: Recording): ReadonlySet<number> {
  const { operations, assignments } = recording;
  const ports = operations.map((operation) => typedPorts(recording, operation));
  /** The operation that makes a value, when the value would be bfloat16 if the operation were. */
  const producerOf = (value: Value | null | undefined) =>
    value?.from === 'operation' && ports[value.index]?.outputs.includes(value.output) ? [value.index] : [];
  const producers = operations.map(({ inputs }, index) => (ports[index]?.inputs ?? []).flatMap((input) => producerOf(inputs[input])));
  const assigned = new Set(assignments.flatMap(producerOf));
  const roles = operations.map((operation, index) => {
    const role = roleOf(recording, operation);
    return role === 'light' && assigned.has(index) ? 'other' : role;
  });
  const afterHeavy = new Set<number>();
  roles.forEach((role, index) => {
    if (role === 'heavy' || (role === 'light' && producers[index]?.some((producer) => afterHeavy.has(producer)))) afterHeavy.add(index);
  });
  const lowered = new Set<number>();
  const beforeHeavy = new Set<number>();
  for (let index = operations.length - 1; index >= 0; index--) {
    const role = roles[index];
    if (role !== 'heavy' && !(role === 'light' && beforeHeavy.has(index))) continue;
    for (const producer of producers[index] ?? []) beforeHeavy.add(producer);
    if (afterHeavy.has(index)) lowered.add(index);
  }
  return lowered;
}

/** The operations of a recording written anew, each with its inputs cast to the types that it needs. */
class Conversion {
  readonly operations: Operation[] = [];
  readonly #recording: Recording;
  /** The new index of each operation of the recording. */
  readonly #places: number[] = [];
  /** For each operation of the recording: the number of new operations up to it and the casts of its outputs that leave the recording. */
  readonly #lengths: number[] = [];
  readonly #casts = new Map<string, Value>();

  constructor(recording: Recording, lowered: ReadonlySet<number>) {
    this.#recording = recording;
    const leaving = [...recording.assignments, ...Object.values(recording.outputs)];
    recording.operations.forEach((operation, index) => {
      const written = lowered.has(index) ? this.#lower(operation) : this.#keep(operation);
      this.#places.push(this.operations.push(written) - 1);
      for (const value of leaving) if (value?.from === 'operation' && value.index === index) this.original(value);
      this.#lengths.push(this.operations.length);
    });
  }

  /** The number of new operations for the first `count` of the recording. Casts that the next operation needs are not counted. */
  lengthAfter(count: number): number {
    return count === 0 ? 0 : present(this.#lengths[count - 1], 'an operation before the cut');
  }

  /** A value of the recording in the type that it had there. */
  original(value: Value): Value {
    return this.#cast(value, typeOfValue(this.#recording, value).dtype);
  }

  #keep(operation: Operation): Operation {
    return { ...operation, inputs: operation.inputs.map((value) => this.original(value)) };
  }

  #lower(operation: Operation): Operation {
    const ports = typedPorts(this.#recording, operation);
    return {
      op: operation.op,
      attributes: attributesInBfloat16(operation.attributes),
      inputs: operation.inputs.map((value, i) => (ports.inputs.includes(i) ? this.#cast(value, DATA_TYPE.bfloat16) : this.original(value))),
      outputs: operation.outputs.map((type, i) => (ports.outputs.includes(i) ? { ...type, dtype: DATA_TYPE.bfloat16 } : type)),
    };
  }

  /** A value of the recording in the given type. The first time that it must be cast, a Cast operation is added. */
  #cast(value: Value, dtype: number): Value {
    const source = this.#moved(value);
    const { dtype: own, shape } = this.#typeNow(source);
    if (own === dtype) return source;
    const key = JSON.stringify([
      source.from,
      source.from === 'feed' ? source.name : source.index,
      source.from === 'operation' && source.output,
      dtype,
    ]);
    const known = this.#casts.get(key);
    if (known !== undefined) return known;
    const attributes = [
      { name: 'SrcT', kind: 'type', value: own },
      { name: 'DstT', kind: 'type', value: dtype },
      { name: 'Truncate', kind: 'bool', value: false },
    ] as const;
    const index = this.operations.push({ op: 'Cast', attributes, inputs: [source], outputs: [{ dtype, shape }] }) - 1;
    const cast: Value = { from: 'operation', index, output: 0 };
    this.#casts.set(key, cast);
    return cast;
  }

  #moved(value: Value): Value {
    if (value.from !== 'operation') return value;
    return { ...value, index: present(this.#places[value.index], 'the operation that makes a value, before its use') };
  }

  /** The type of a value in the new list of operations. */
  #typeNow(value: Value): TensorType {
    return typeOfValue({ ...this.#recording, operations: this.operations }, value);
  }
}
