/**
 * The tests that every loss must pass, on every engine: golden numbers made elsewhere, value and gradient against its formula
 * in float64, the batch in one piece and in four (of a loss over the batch instead: in another order, and with one sample and two), its denominator, the weights of its pairs of taps, inputs of extreme size, and the reductions that it asks for. A loss is computed as a step does
 * it: from the models' tensors, reduced as its declaration asks.
 */

import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { Prng } from '../../src/base/prng.js';
import type { CatalogueEntry } from '../../src/losses/catalogue.js';
import type { LayerFlow, LossDeclaration, TermNeeds, TermSettings } from '../../src/losses/loss-declaration.js';
import type { LossMethod, LossSum, TermInputs } from '../../src/losses/loss-method.js';
import { similaritiesOf } from '../../src/losses/similarity.js';
import { flowOf } from '../../src/nn/flow.js';
import { reduce } from '../../src/nn/reduction/catalogue.js';
import type { KnowledgeSpec } from '../../src/tensor/knowledge.js';
import { describeEachEngine } from './each-engine.js';
import { type Plain, somePlain } from './plain-tensor.js';
import { describeReduction, type ReductionCase } from './reduction-suite.js';

/**
 * A call of a loss: what the two models have, before it is reduced. Taps are named after their places in the lists; a loss of flows has
 * the two layers of each flow in turn.
 */
export interface LossCase {
  readonly knobs?: Readonly<Record<string, number>>;
  readonly constants?: Readonly<Record<string, number>>;
  /** One for each pair of taps or of flows. */
  readonly weights?: readonly number[];
  /** Whether the batch is a gathered one. */
  readonly isGathered?: boolean;
  readonly classes: number;
  readonly labels: readonly number[];
  readonly mixed?: { readonly second: readonly number[]; readonly share: readonly number[] };
  readonly student: readonly Plain[];
  readonly other: readonly Plain[];
  /** One for each adapter that the declaration's `needs` names, in their order. */
  readonly adapters?: readonly Plain[];
  /** One for each tensor that the loss keeps, in the order of `needs`. */
  readonly memory?: readonly Plain[];
  /** The number of each sample, and those that are drawn for it. They are there for a loss with a memory. */
  readonly samples?: { readonly ids: readonly number[]; readonly drawn: readonly (readonly number[])[] };
}

export interface LossOutcome {
  readonly sum: number;
  readonly count: number;
  /** By each of the student's tensors, then by each adapter. */
  readonly gradients: readonly (readonly number[])[];
  /** The new values of what the loss keeps, by its names. */
  readonly memory?: Readonly<Record<string, readonly number[]>>;
}

export interface LossSuite {
  readonly loss: CatalogueEntry;
  /** A file of golden numbers, from the folder of the tests of losses: `{ madeBy, cases: (LossCase & LossOutcome)[] }`. */
  readonly golden: string;
  /** Calls of this many samples, by a name that says what is special about them. */
  readonly cases: Readonly<Record<string, (random: Prng, size: number) => LossCase>>;
  /**
   * The formula of the paper in float64: the sum over the batch. The gradient is that of `call` alone. `at` is the same call and
   * never moves: from it comes what the gradient takes for a constant (`constant` of src/losses).
   */
  reference(call: LossCase, at: LossCase): number;
  /** Calls whose value and gradient must be finite. */
  readonly extremes: Readonly<Record<string, LossCase>>;
}

/** Declares the tests. */
export function describeLoss(suite: LossSuite): void {
  describeEachEngine(() => {
    let method: LossMethod;
    beforeAll(async () => {
      method = await suite.loss.load();
    });
    const run = (call: LossCase): LossOutcome => runLoss({ declaration: suite.loss.declaration, method }, call);
    goldenNumbers(suite, run);
    for (const reduction of reductionsOf(suite)) describeReduction(reduction);
    describe.each(Object.entries(suite.cases))('%s', (name, make) => {
      againstFormula(suite, () => make(new Prng(name.length), 5), run);
      if (suite.loss.declaration.over === 'batch') overBatch((size) => make(new Prng(name.length + 100), size), run);
      else inPieces(() => make(new Prng(name.length + 100), 8), run);
      if (suite.loss.declaration.takesTaps) byWeights(suite.loss.declaration, () => make(new Prng(name.length + 200), 5), run);
    });
    test.each(Object.entries(suite.extremes))('finite: %s', (_, call) => {
      const { sum, gradients } = run(call);
      expect(Number.isFinite(sum), `the sum is ${sum}`).toBe(true);
      expect(gradients.flat().filter((value) => !Number.isFinite(value))).toEqual([]);
    });
  });
}

/** The reductions that the loss asks for in its cases, each once. */
function reductionsOf({ loss: { declaration }, cases }: LossSuite): readonly ReductionCase[] {
  const found = Object.values(cases).flatMap((make) => {
    const call = make(new Prng(1), 1);
    const needs = needsOf(declaration, call);
    return [[needs.student, call.student] as const, [needs.other, call.other] as const].flatMap(([specs, tensors]) =>
      specs.flatMap((spec) =>
        spec.of === 'tap' && spec.reduce !== null ? [{ spec: spec.reduce, shape: shapeIn(tensors)(spec.layer) }] : [],
      ),
    );
  });
  return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()];
}

function needsOf(declaration: LossDeclaration, call: LossCase): TermNeeds {
  return declaration.needs(settingsOf(declaration, call), { student: shapeIn(call.student), other: shapeIn(call.other) });
}

function shapeIn(tensors: readonly Plain[]): (layer: string) => readonly number[] {
  return (layer) => present(tensors[Number(layer)], `layer ${layer}`).shape.slice(1);
}

type Run = (call: LossCase) => LossOutcome;

function goldenNumbers({ golden }: LossSuite, run: Run): void {
  const { madeBy, cases } = readGolden<LossCase & Pick<LossOutcome, 'sum' | 'gradients'>>(golden);
  test.each(cases.map((call, i) => [i, call] as const))(`golden numbers of ${madeBy.split(':')[0]}: case %i`, (_, call) => {
    expectClose(run(call), { sum: call.sum, gradients: call.gradients, count: call.labels.length });
  });
}

/** The golden numbers of a test of a loss. */
export function readGolden<Case>(file: string): { readonly madeBy: string; readonly cases: readonly Case[] } {
  return JSON.parse(readFileSync(new URL(`../numeric/loss/golden/${file}`, import.meta.url), 'utf8')) as { madeBy: string; cases: Case[] };
}

function againstFormula({ reference }: LossSuite, make: () => LossCase, run: Run): void {
  test('value and gradient are those of the formula in float64, and of its differences', () => {
    const call = make();
    expectClose(run(call), { sum: reference(call, call), count: call.labels.length, gradients: differences(reference, call) });
  });
}

function inPieces(make: () => LossCase, run: Run): void {
  test('a batch in four pieces has the sum, the count and the gradient of the whole', () => {
    const call = make();
    const parts = [0, 2, 4, 6].map((from) => run(rowsOf(call, from, from + 2)));
    expectClose(
      {
        sum: parts.reduce((sum, part) => sum + part.sum, 0),
        count: parts.reduce((count, part) => count + part.count, 0),
        gradients: [
          ...call.student.map((_, i) => parts.flatMap(({ gradients }) => present(gradients[i], 'a gradient'))),
          ...adaptersOf(call).map((_, i) => total(parts.map(({ gradients }) => present(gradients[call.student.length + i], 'a gradient')))),
        ],
      },
      run(call),
    );
  });

  test('the sum is divided by the samples alone: the batch twice over has the same mean', () => {
    const call = make();
    const [once, twice] = [run(call), run(repeated(call))];
    expect(once.count).toBe(call.labels.length);
    expect(Math.abs(twice.sum / twice.count - once.sum / once.count)).toBeLessThan(1e-5 * Math.abs(once.sum / once.count));
  });
}

/** The test of a loss with pairs of taps: layer-wise distillation. */
function byWeights(declaration: LossDeclaration, make: () => LossCase, run: Run): void {
  test('each pair counts by its weight: the sum and the gradient are those of each pair alone, by the weights', () => {
    const call = make();
    const pairs = settingsOf(declaration, call).taps.map((_, i) => i);
    const weights = pairs.map((i) => 0.75 + 1.5 * i);
    const alone = pairs.map((pair) => run({ ...call, weights: pairs.map((i) => (i === pair ? 1 : 0)) }));
    for (const { sum } of alone) expect(Math.abs(sum)).toBeGreaterThan(1e-6);
    const weighed = (of: (outcome: LossOutcome) => number) =>
      alone.reduce((total, outcome, i) => total + present(weights[i], 'a weight') * of(outcome), 0);
    expectClose(run({ ...call, weights }), {
      sum: weighed(({ sum }) => sum),
      count: call.labels.length,
      gradients: call.student.map(({ data }, t) => data.map((_, j) => weighed(({ gradients }) => gradients[t]?.[j] ?? Number.NaN))),
    });
  });
}

/** The tests of a loss that is defined over the whole batch. */
function overBatch(make: (size: number) => LossCase, run: Run): void {
  test('a batch in another order has the same sum, and its gradients in that order', () => {
    const call = make(8);
    const order = [3, 6, 0, 7, 1, 5, 2, 4];
    const { sum, count, gradients } = run(call);
    const moved = gradients.map((data, i) => reordered({ shape: present(call.student[i], 'a tensor').shape, data }, order).data);
    expectClose(run(inOrder(call, order)), { sum, count, gradients: moved });
  });

  test('a batch in four pieces has another sum than the whole', () => {
    const call = make(8);
    const parts = [0, 2, 4, 6].reduce((sum, from) => sum + run(rowsOf(call, from, from + 2)).sum, 0);
    const whole = run(call).sum;
    expect(Math.abs(parts - whole), `the parts have ${parts}, the whole has ${whole}`).toBeGreaterThan(1e-3 * Math.abs(whole));
  });

  test('one sample has no relation: the sum and the gradient are 0', () => {
    const { sum, count, gradients } = run(make(1));
    expect(count).toBe(1);
    expect(Math.abs(sum)).toBeLessThan(1e-6);
    expect(gradients.flat().filter((value) => !(Math.abs(value) < 1e-6))).toEqual([]);
  });

  test.each([2, 3])('%i samples have a finite sum and gradient', (size) => {
    const { sum, count, gradients } = run(make(size));
    expect(count).toBe(size);
    expect([sum, ...gradients.flat()].filter((value) => !Number.isFinite(value))).toEqual([]);
  });
}

/** Value and gradient by the student's tensors and the adapters, through tfjs. */
export function runLoss(
  { declaration, method }: { readonly declaration: LossDeclaration; readonly method: LossMethod },
  call: LossCase,
): LossOutcome {
  let memory: Readonly<Record<string, readonly number[]>> = {};
  const outcome = tf.tidy(() => {
    const settings = settingsOf(declaration, call);
    const needs = needsOf(declaration, call);
    const knobs = Object.entries(declaration.knobs).map(([name, { default: start }]) => {
      const value = call.knobs?.[name] ?? start;
      return [name, tf.scalar(typeof value === 'number' ? value : value.from)] as const;
    });
    const other = call.other.map(toTensor);
    let count = 0;
    const sumOf = (...tensors: tf.Tensor[]): tf.Scalar => {
      const [student, adapters] = [tensors.slice(0, call.student.length), tensors.slice(call.student.length)];
      const result: LossSum = method.sum(
        {
          labels: {
            class_B: tf.tensor1d([...call.labels], 'int32'),
            mixed: mixedOf(call),
          },
          classes: call.classes,
          student: needs.student.map((spec) => known(spec, student)),
          other: needs.other.map((spec) => known(spec, other)),
          adapters: Object.fromEntries(needs.adapters.map(({ name }, i) => [name, present(adapters[i], name)])),
          settings,
          ...memoryOf(needs, call),
        },
        Object.fromEntries(knobs),
      );
      count = result.count;
      memory = Object.fromEntries(Object.entries(result.memory ?? {}).map(([name, tensor]) => [name, [...tensor.dataSync()]]));
      return result.sum;
    };
    const { value, grads } = tf.valueAndGrads(sumOf)([...call.student, ...adaptersOf(call)].map(toTensor));
    return { sum: value.dataSync()[0] as number, count, gradients: grads.map((gradient) => [...gradient.dataSync()]) };
  });
  return { ...outcome, memory };
}

function memoryOf({ memory: specs = [] }: TermNeeds, { memory = [], samples }: LossCase): Pick<TermInputs, 'memory'> {
  if (samples === undefined) return {};
  const tensors = specs.map(({ name }, i) => [name, toTensor(present(memory[i], name))] as const);
  const { ids, drawn } = samples;
  const numbers = {
    id_B: tf.tensor1d([...ids], 'int32'),
    drawn_BD: tf.tensor2d(drawn as number[][], undefined, 'int32'),
  };
  return { memory: { tensors: Object.fromEntries(tensors), samples: numbers } };
}

function adaptersOf({ adapters = [] }: LossCase): readonly Plain[] {
  return adapters;
}

/** The sum of lists of one length, element by element. */
function total([first = [], ...others]: readonly (readonly number[])[]): readonly number[] {
  return first.map((value, j) => others.reduce((sum, other) => sum + present(other[j], 'an element'), value));
}

function mixedOf({ mixed }: LossCase): { second_B: tf.Tensor1D; share_B: tf.Tensor1D } | null {
  if (mixed === undefined) return null;
  return { second_B: tf.tensor1d([...mixed.second], 'int32'), share_B: tf.tensor1d([...mixed.share]) };
}

function settingsOf({ takesTaps, takesFlows = false, constants }: LossDeclaration, call: LossCase): TermSettings {
  const defaults = Object.entries(constants).map(([name, { default: value }]) => [name, value]);
  const taps = takesTaps ? call.student.map((_, i) => [String(i), String(i)] as const) : [];
  const flows = takesFlows ? flowsOf(call) : [];
  return {
    taps,
    flows,
    weights: call.weights ?? [...taps, ...flows].map(() => 1),
    constants: { ...Object.fromEntries(defaults), ...call.constants },
    isGathered: call.isGathered,
  };
}

function flowsOf({ student }: LossCase): readonly (readonly [LayerFlow, LayerFlow])[] {
  return Array.from({ length: student.length / 2 }, (_, i) => {
    const flow = [String(2 * i), String(2 * i + 1)] as const;
    return [flow, flow];
  });
}

/** The logits of a model, or its gradient by the images, are its only tensor. */
function known(spec: KnowledgeSpec, tensors: readonly tf.Tensor[]): tf.Tensor {
  const at = (layer: string): tf.Tensor => present(tensors[Number(layer)], 'a tensor');
  if (spec.of === 'flow') return flowOf(at(spec.from), at(spec.to));
  if (spec.of === 'similarity') return similaritiesOf(at(spec.layer));
  if (spec.of !== 'tap') return at('0');
  return spec.reduce === null ? at(spec.layer) : reduce(at(spec.layer), spec.reduce);
}

function toTensor({ shape, data }: Plain): tf.Tensor {
  return tf.tensor(Float32Array.from(data), [...shape]);
}

/** Relative to the largest number there is: float32 has about seven digits, and a sum over a batch loses one or two. */
function expectClose(found: LossOutcome, expected: LossOutcome): void {
  expect(found.count).toBe(expected.count);
  expect(Math.abs(found.sum - expected.sum), `sum ${found.sum}, expected ${expected.sum}`).toBeLessThan(
    1e-5 * Math.abs(expected.sum) + 1e-6,
  );
  expected.gradients.forEach((gradient, i) => {
    const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const errors = gradient.map((value, j) => Math.abs((found.gradients[i]?.[j] ?? Number.NaN) - value));
    const worst = errors.reduce((most, error, j) => (error > (errors[most] as number) || Number.isNaN(error) ? j : most), 0);
    const text = `gradient ${i} at ${worst}: ${found.gradients[i]?.[worst]}, expected ${gradient[worst]}`;
    expect(errors[worst], text).toBeLessThan(2e-5 * largest + 1e-7);
  });
}

/** Central differences of the reference by every element of the student's tensors, then of the adapters. */
function differences(reference: LossSuite['reference'], call: LossCase, h = 1e-5): number[][] {
  const all = [...call.student, ...adaptersOf(call)];
  const moved = (i: number, j: number, by: number): number => {
    const tensors = all.map((tensor, at) =>
      at === i ? { ...tensor, data: tensor.data.map((value, place) => (place === j ? value + by : value)) } : tensor,
    );
    const [student, adapters] = [tensors.slice(0, call.student.length), tensors.slice(call.student.length)];
    return reference({ ...call, student, adapters }, call);
  };
  return all.map(({ data }, i) => data.map((_, j) => (moved(i, j, h) - moved(i, j, -h)) / (2 * h)));
}

/** Samples [from, to) of a call. */
function rowsOf(call: LossCase, from: number, to: number): LossCase {
  const part = ({ shape: [size = 1, ...rest], data }: Plain): Plain => {
    const each = data.length / size;
    return { shape: [to - from, ...rest], data: data.slice(from * each, to * each) };
  };
  const { mixed } = call;
  return {
    ...call,
    labels: call.labels.slice(from, to),
    ...(mixed === undefined ? {} : { mixed: { second: mixed.second.slice(from, to), share: mixed.share.slice(from, to) } }),
    student: call.student.map(part),
    other: call.other.map(part),
    ...samplesOf(call, (list) => list.slice(from, to)),
  };
}

/** The samples of a part of the call, or of more of it. */
function samplesOf({ samples }: LossCase, change: <T>(list: readonly T[]) => readonly T[]): Pick<LossCase, 'samples'> {
  return samples === undefined ? {} : { samples: { ids: change(samples.ids), drawn: change(samples.drawn) } };
}

/** The same samples in this order. */
function inOrder(call: LossCase, order: readonly number[]): LossCase {
  const pick = <T>(list: readonly T[]): T[] => order.map((from) => present(list[from], 'a sample'));
  const { mixed } = call;
  return {
    ...call,
    labels: pick(call.labels),
    ...(mixed === undefined ? {} : { mixed: { second: pick(mixed.second), share: pick(mixed.share) } }),
    student: call.student.map((tensor) => reordered(tensor, order)),
    other: call.other.map((tensor) => reordered(tensor, order)),
  };
}

function reordered({ shape, data }: Plain, order: readonly number[]): Plain {
  const each = data.length / order.length;
  return { shape, data: order.flatMap((from) => data.slice(from * each, (from + 1) * each)) };
}

function repeated(call: LossCase): LossCase {
  const twice = ({ shape: [size = 1, ...rest], data }: Plain): Plain => ({ shape: [2 * size, ...rest], data: [...data, ...data] });
  const { mixed } = call;
  const both = <T>(list: readonly T[]): T[] => [...list, ...list];
  return {
    ...call,
    labels: both(call.labels),
    ...(mixed === undefined ? {} : { mixed: { second: both(mixed.second), share: both(mixed.share) } }),
    student: call.student.map(twice),
    other: call.other.map(twice),
    ...samplesOf(call, both),
  };
}

/** Logits of both models, and labels. */
export function someLogitCase(random: Prng, size: number, classes: number): LossCase {
  const labels = Array.from({ length: size }, () => random.below(classes));
  return { classes, labels, student: [somePlain(random, [size, classes])], other: [somePlain(random, [size, classes])] };
}
