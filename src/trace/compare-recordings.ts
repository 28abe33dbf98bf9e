/**
 * Whether two recordings of one function, made with other inputs, are the same program. A difference was computed in
 * JavaScript during the call (a random number, a number that depends on the inputs): a graph would repeat the first
 * call's value for ever. A branch that both calls took the same way cannot be seen.
 */

import type { Constant, Operation, Recording, Value } from './recording.js';

/** The first difference, in words; null when the recordings are the same program. */
export function differenceOf(first: Recording, second: Recording): string | null {
  const [a, b] = [first.operations.length, second.operations.length];
  if (a !== b) return `the step runs ${a} operations one time and ${b} another: it depends on the values of its inputs`;
  for (const [index, operation] of first.operations.entries()) {
    const difference = operationDifference(operation, second.operations[index]);
    if (difference !== null) return difference;
  }
  for (const [index, constant] of first.constants.entries()) {
    if (!sameConstant(constant, second.constants[index])) return describeBaked(first, index);
  }
  if (!sameJson(first.assignments, second.assignments)) return 'the step changes other variables from one time to the next';
  if (!sameJson(first.outputs, second.outputs)) return 'the results of the step come from other operations from one time to the next';
  return null;
}

function operationDifference(first: Operation, second: Operation | undefined): string | null {
  if (first.op !== second?.op)
    return `the step runs ${first.op} one time and ${second?.op} another: it depends on the values of its inputs`;
  if (!sameJson(first.inputs, second.inputs)) return `the operation ${first.op} takes other values from one time to the next`;
  if (!sameJson(first.attributes, second.attributes)) return `the operation ${first.op} has other attributes from one time to the next`;
  return null;
}

function sameConstant(first: Constant, second: Constant | undefined): boolean {
  if (second === undefined || first.dtype !== second.dtype || !sameJson(first.shape, second.shape)) return false;
  const bytes = ({ data }: Constant) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return bytes(first).equals(bytes(second));
}

function describeBaked({ operations, constants }: Recording, index: number): string {
  const uses = (value: Value) => value.from === 'constant' && value.index === index;
  const user = operations.find(({ inputs }) => inputs.some(uses));
  const shape = `[${constants[index]?.shape.join(', ') ?? ''}]`;
  const where = user === undefined ? '' : `, which goes into ${user.op}`;
  return `a tensor of shape ${shape}${where}, is made in JavaScript with other values each time (a random draw, or a number that changes)`;
}

function sameJson(first: unknown, second: unknown): boolean {
  return JSON.stringify(first) === JSON.stringify(second);
}
