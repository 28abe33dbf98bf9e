/**
 * Recordings without TensorFlow: random ones, and a machine that runs them on numbers. Every value has one element; the
 * operations are arithmetic that keeps integers integers, so that results compare exactly.
 */

import * as fc from 'fast-check';
import { Prng } from '../../src/base/prng.js';
import { DATA_TYPE, type Operation, type Recording, type TensorType, type Value } from '../../src/trace/recording.js';

export const SCALAR: TensorType = { dtype: DATA_TYPE.float32, shape: [] };

/** Operations of two inputs, or of one; Pair has two outputs. */
export const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => readonly number[]>> = {
  Add: (a, b) => [a + b],
  Sub: (a, b) => [a - b],
  Neg: (a) => [-a],
  Pair: (a) => [a + 1, a - 2],
  DeepCopy: (a) => [a],
  Identity: (a) => [a],
};

export type Numbers = Readonly<Record<string, number>>;

export interface Outcome {
  readonly outputs: Numbers;
  /** The variables after the call. */
  readonly variables: readonly number[];
}

/** Carries a recording out. Throws on a value that does not exist. */
export function runRecording(recording: Recording, feeds: Numbers, variables: readonly number[]): Outcome {
  const results: (readonly number[])[] = [];
  const lookUp = (value: Value): number | undefined => {
    switch (value.from) {
      case 'feed':
        return feeds[value.name];
      case 'variable':
        return variables[value.index];
      case 'constant':
        return recording.constants[value.index]?.data[0];
      case 'operation':
        return results[value.index]?.[value.output];
    }
  };
  const numberOf = (value: Value): number => {
    const found = lookUp(value);
    if (found === undefined || Number.isNaN(found)) throw new Error(`no value ${JSON.stringify(value)}`);
    return found;
  };
  for (const { op, inputs } of recording.operations) {
    const [a = Number.NaN, b = Number.NaN] = inputs.map(numberOf);
    results.push((ARITHMETIC[op] as (a: number, b: number) => readonly number[])(a, b));
  }
  return {
    outputs: Object.fromEntries(Object.entries(recording.outputs).map(([name, value]) => [name, numberOf(value)])),
    variables: recording.assignments.map((value, index) => (value === null ? (variables[index] as number) : numberOf(value))),
  };
}

export interface Sample {
  readonly recording: Recording;
  /** Where it may be cut, and the feeds that come before: earlier operations take no others. */
  readonly at: number;
  readonly early: readonly string[];
  readonly feeds: Numbers;
  readonly variables: readonly number[];
}

/** A random recording with everything that the interface allows: unused values, swapped and untouched variables, an output that is a feed. */
export const samples: fc.Arbitrary<Sample> = fc.nat().map(sampleOf);

function sampleOf(seed: number): Sample {
  const random = new Prng(seed, 0);
  const upTo = (most: number) => random.below(most + 1);
  const early = ['image', 'mask'].slice(0, 1 + upTo(1));
  const late = ['label', 'rate'].slice(0, upTo(2));
  const [variableCount, constantCount, operationCount] = [upTo(4), upTo(2), 1 + upTo(11)];
  const at = upTo(operationCount);
  const operations: Operation[] = [];
  const pick = (feeds: readonly string[]): Value => {
    const choices: Value[] = [
      ...feeds.map((name): Value => ({ from: 'feed', name })),
      ...Array.from({ length: variableCount }, (_, index): Value => ({ from: 'variable', index })),
      ...Array.from({ length: constantCount }, (_, index): Value => ({ from: 'constant', index })),
      ...operations.flatMap(({ outputs }, index) => outputs.map((_, output): Value => ({ from: 'operation', index, output }))),
    ];
    return choices[upTo(choices.length - 1)] as Value;
  };
  const all = [...early, ...late];
  for (let index = 0; index < operationCount; index++) {
    const op = ['Add', 'Sub', 'Neg', 'Pair'][upTo(3)] as string;
    const inputs = Array.from({ length: op === 'Add' || op === 'Sub' ? 2 : 1 }, () => pick(index < at ? early : all));
    operations.push({ op, attributes: [], inputs, outputs: op === 'Pair' ? [SCALAR, SCALAR] : [SCALAR] });
  }
  const recording: Recording = {
    feeds: Object.fromEntries(all.map((name) => [name, SCALAR])),
    variables: Array.from({ length: variableCount }, () => SCALAR),
    constants: Array.from({ length: constantCount }, () => ({ ...SCALAR, data: Float32Array.of(upTo(9)) })),
    operations,
    assignments: Array.from({ length: variableCount }, () => (upTo(2) === 0 ? null : pick(all))),
    outputs: Object.fromEntries(['loss', 'logits'].slice(0, 1 + upTo(1)).map((name) => [name, pick(all)])),
  };
  const numbers = all.map((name) => [name, upTo(99)] as const);
  return { recording, at, early, feeds: Object.fromEntries(numbers), variables: recording.variables.map(() => upTo(99)) };
}
