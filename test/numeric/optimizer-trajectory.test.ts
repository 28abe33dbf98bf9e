import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { OptimizerRecipe } from '../../src/config/schema.js';
import { Optimizer } from '../../src/optim/optimizer.js';
import { describeEachEngine } from '../support/each-engine.js';

type Sgd = Extract<OptimizerRecipe, { name: 'sgd' }>;
type Adam = Extract<OptimizerRecipe, { name: 'adam' }>;

const sgd = (changes: Partial<Sgd> = {}): Sgd => ({
  name: 'sgd',
  rate: 0.1,
  momentum: 0,
  nesterov: false,
  weightDecay: 0,
  decayAll: false,
  ...changes,
});
const adam = (changes: Partial<Adam> = {}): Adam => ({
  name: 'adam',
  rate: 0.1,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  decayAll: false,
  ...changes,
});

const START = [1.5, -2, 0.25];

/** The gradient of step t (from 1) for each element: fixed numbers, so that nothing hides in a loss. */
function gradientAt(t: number): number[] {
  const random = new Prng(5, t);
  return START.map(() => random.normal());
}

const rateOf = (recipe: OptimizerRecipe, t: number) => (t > 10 ? recipe.rate / 10 : recipe.rate);

/** One step at a rate: its coefficients as tensors, and the update with them. */
function update(optimizer: Optimizer, gradients: tf.NamedTensorMap, rate: number): void {
  const named = Object.entries(optimizer.nextCoefficients(rate)).map(([name, value]) => [name, tf.scalar(value)] as const);
  const coefficients = Object.fromEntries(named);
  optimizer.apply(gradients, coefficients);
  tf.dispose(coefficients);
}

/** The parameters after each step through tfjs. */
function trajectory(recipe: OptimizerRecipe, steps: number, decays = true): number[][] {
  return tf.tidy(() => {
    const variable = tf.variable(tf.tensor1d(START));
    const optimizer = new Optimizer(recipe, [{ variable, decays }]);
    const path = Array.from({ length: steps }, (_, i) => {
      update(optimizer, { [variable.name]: tf.tensor1d(gradientAt(i + 1)) }, rateOf(recipe, i + 1));
      return [...variable.dataSync()];
    });
    optimizer.dispose();
    variable.dispose();
    return path;
  });
}

/** torch.optim.SGD's documented algorithm, dampening 0, in float64. */
function torchSgd({ momentum, nesterov, weightDecay, ...recipe }: Sgd, steps: number): number[][] {
  const parameters = [...START];
  const buffer: (number | undefined)[] = START.map(() => undefined);
  return Array.from({ length: steps }, (_, i) => {
    gradientAt(i + 1).forEach((raw, j) => {
      let g = raw + weightDecay * (parameters[j] as number);
      if (momentum !== 0) {
        const b = buffer[j] === undefined ? g : momentum * (buffer[j] as number) + g;
        buffer[j] = b;
        g = nesterov ? g + momentum * b : b;
      }
      parameters[j] = (parameters[j] as number) - rateOf({ ...recipe } as OptimizerRecipe, i + 1) * g;
    });
    return [...parameters];
  });
}

/** torch.optim.Adam's documented algorithm, amsgrad off, in float64. */
function torchAdam(recipe: Adam, steps: number): number[][] {
  const { beta1, beta2, epsilon, weightDecay } = recipe;
  const parameters = [...START];
  const m = START.map(() => 0);
  const v = START.map(() => 0);
  return Array.from({ length: steps }, (_, i) => {
    const t = i + 1;
    gradientAt(t).forEach((raw, j) => {
      const g = raw + weightDecay * (parameters[j] as number);
      m[j] = beta1 * (m[j] as number) + (1 - beta1) * g;
      v[j] = beta2 * (v[j] as number) + (1 - beta2) * g * g;
      const mHat = (m[j] as number) / (1 - beta1 ** t);
      const vHat = (v[j] as number) / (1 - beta2 ** t);
      parameters[j] = (parameters[j] as number) - (rateOf(recipe, t) * mHat) / (Math.sqrt(vHat) + epsilon);
    });
    return [...parameters];
  });
}

function expectClose(found: readonly number[][], expected: readonly number[][]): void {
  expected.forEach((row, t) => {
    row.forEach((value, j) => {
      expect(Math.abs((found[t]?.[j] as number) - value), `step ${t + 1}, element ${j}`).toBeLessThan(2e-6 * Math.max(1, Math.abs(value)));
    });
  });
}

describeEachEngine(() => {
  documentedAlgorithm();
  byHand();
  slots();
});

function documentedAlgorithm(): void {
  describe('20 steps, the rate falling to a tenth after 10, agree with the documented algorithm', () => {
    test.each([
      ['plain', sgd()],
      ['momentum', sgd({ momentum: 0.9 })],
      ['Nesterov', sgd({ momentum: 0.9, nesterov: true })],
      ['weight decay', sgd({ momentum: 0.9, weightDecay: 0.05 })],
      ['Nesterov and weight decay', sgd({ momentum: 0.5, nesterov: true, weightDecay: 0.05 })],
    ])('SGD: %s', (_, recipe) => {
      expectClose(trajectory(recipe, 20), torchSgd(recipe, 20));
    });

    test.each([
      ['defaults', adam()],
      ['small rate', adam({ rate: 3e-3 })],
      ['a large epsilon, which is added after the correction of the second moment', adam({ epsilon: 0.5 })],
      ['other betas', adam({ beta1: 0.5, beta2: 0.9 })],
      ['weight decay', adam({ weightDecay: 0.1 })],
    ])('Adam: %s', (_, recipe) => {
      expectClose(trajectory(recipe, 20), torchAdam(recipe, 20));
    });
  });
}

function byHand(): void {
  describe('by hand', () => {
    test('momentum: two steps with gradient 1 at rate .1 move by .1 and .19', () => {
      tf.tidy(() => {
        const variable = tf.variable(tf.tensor1d([0]));
        const optimizer = new Optimizer(sgd({ momentum: 0.9 }), [{ variable, decays: false }]);
        for (let i = 0; i < 2; i++) update(optimizer, { [variable.name]: tf.tensor1d([1]) }, 0.1);
        expect(variable.dataSync()[0]).toBeCloseTo(-0.29, 6);
        optimizer.dispose();
        variable.dispose();
      });
    });

    test("Adam's first step is the rate, whatever the gradient's size", () => {
      tf.tidy(() => {
        const variable = tf.variable(tf.tensor1d([0, 0, 0]));
        const optimizer = new Optimizer(adam(), [{ variable, decays: false }]);
        update(optimizer, { [variable.name]: tf.tensor1d([1e-3, -5, 200]) }, 0.1);
        expect([...variable.dataSync()].map((x) => Number(x.toFixed(5)))).toEqual([-0.1, 0.1, -0.1]);
        optimizer.dispose();
        variable.dispose();
      });
    });

    test.each([
      ['SGD', sgd({ momentum: 0.9, weightDecay: 0.1 })],
      ['Adam', adam({ weightDecay: 0.1 })],
    ])('%s: variables that are updated together move as each would alone', (_, recipe) => {
      const alone = trajectory(recipe, 5).at(-1);
      tf.tidy(() => {
        const variables = [[1, 3], [3, 1], [3]].map((shape) => ({ variable: tf.variable(tf.tensor(START, shape)), decays: true }));
        const optimizer = new Optimizer(recipe, variables);
        for (let t = 1; t <= 5; t++) {
          const gradients = variables.map(({ variable }) => [variable.name, tf.tensor(gradientAt(t), variable.shape)] as const);
          update(optimizer, Object.fromEntries(gradients), rateOf(recipe, t));
        }
        for (const { variable } of variables) expect([...variable.dataSync()]).toEqual(alone);
        optimizer.dispose();
        tf.dispose(variables.map(({ variable }) => variable));
      });
    });

    test.each([
      ['SGD', sgd({ weightDecay: 0.5 })],
      ['Adam', adam({ weightDecay: 0.5 })],
    ])('%s: weight decay leaves a variable alone that does not decay', (_, recipe) => {
      expect(trajectory(recipe, 5, false)).toEqual(trajectory({ ...recipe, weightDecay: 0 }, 5, true));
      expect(trajectory(recipe, 5, true)).not.toEqual(trajectory(recipe, 5, false));
    });
  });
}

function slots(): void {
  describe('slots', () => {
    const recipes: [string, OptimizerRecipe, number][] = [
      ['SGD', sgd(), 0],
      ['SGD with momentum', sgd({ momentum: 0.9, weightDecay: 0.01 }), 10],
      ['Adam', adam({ weightDecay: 0.01 }), 21],
    ];

    const made: { dispose(): unknown }[] = [];
    afterEach(() => {
      for (const one of made.splice(0)) one.dispose();
    });

    const variableOf = (values: tf.TensorLike) => tf.tidy(() => tf.variable(tf.tensor(values)));

    function start(recipe: OptimizerRecipe, values: readonly number[][]) {
      const variables = [
        { variable: variableOf(values.slice(0, 2)), decays: true },
        { variable: variableOf(values[2] as number[]), decays: false },
      ];
      const optimizer = new Optimizer(recipe, variables);
      made.push(optimizer, ...variables.map(({ variable }) => variable));
      const run = (from: number, to: number) => {
        for (let t = from; t <= to; t++) {
          const random = new Prng(9, t);
          const gradients = Object.fromEntries(
            variables.map(({ variable }) => [
              variable.name,
              tf.tensor(
                Array.from({ length: variable.size }, () => random.normal()),
                variable.shape,
              ),
            ]),
          );
          update(optimizer, gradients, 0.01);
          tf.dispose(gradients);
        }
      };
      const read = () => variables.map(({ variable }) => [...variable.dataSync()]);
      return { optimizer, run, read };
    }
    const VALUES = [
      [1, -1, 0.5],
      [2, 0.1, -0.3],
      [0.7, 3, -2, 1],
    ];

    test.each(recipes)('%s: written into a fresh optimiser, the continuation is the same to the bit', (_, recipe, slotCount) => {
      const one = start(recipe, VALUES);
      expect(one.optimizer.slotCount).toBe(slotCount);
      one.run(1, 5);
      const slots = one.optimizer.readSlots();
      expect(slots.length).toBe(slotCount);
      // What a step changes, as variables: the arena, without the step count at its end.
      const values = one.optimizer.slots.flatMap((slot) => [...slot.dataSync()]);
      expect([...slots]).toEqual(one.optimizer.stepCount === 0 ? values : [...values, 5]);
      const [matrix, vector] = one.read() as [number[], number[]];
      const other = start(recipe, [matrix.slice(0, 3), matrix.slice(3), vector]);
      other.optimizer.writeSlots(slots);
      slots.fill(Number.NaN); // The optimiser must not go on using the caller's memory.
      one.run(6, 12);
      other.run(6, 12);
      expect(other.read()).toEqual(one.read());
      expect(other.optimizer.readSlots()).toEqual(one.optimizer.readSlots());
    });

    test.each(recipes)('%s: after a reset it is as if no step had been taken', (_, recipe) => {
      const one = start(recipe, VALUES);
      one.run(1, 5);
      const [matrix, vector] = one.read() as [number[], number[]];
      one.optimizer.resetSlots();
      expect(one.optimizer.readSlots().every((x) => x === 0)).toBe(true);
      const fresh = start(recipe, [matrix.slice(0, 3), matrix.slice(3), vector]);
      one.run(6, 8);
      fresh.run(6, 8);
      expect(one.read()).toEqual(fresh.read());
    });

    test.each(recipes)('%s: all that changes from step to step is in the coefficients, by the same names', (_, recipe) => {
      const { optimizer } = start(recipe, VALUES);
      const [first, second] = [optimizer.nextCoefficients(0.1), optimizer.nextCoefficients(0.05)];
      expect(Object.keys(second)).toEqual(Object.keys(first));
      for (const name of Object.keys(first)) expect(second[name], name).not.toBe(first[name]);
    });

    test('a slot arena of another length is refused', () => {
      const { optimizer } = start(adam(), VALUES);
      expect(() => optimizer.writeSlots(new Float32Array(20))).toThrow('20 slot elements for an optimiser of 21');
    });

    test('steps and disposal leave no tensor behind', () => {
      const gradient = tf.ones([3]);
      const variable = tf.variable(gradient);
      const tensors = tf.memory().numTensors;
      const optimizer = new Optimizer(adam({ weightDecay: 0.1 }), [{ variable, decays: true }]);
      const held = tf.memory().numTensors;
      for (let i = 0; i < 10; i++) update(optimizer, { [variable.name]: gradient }, 0.1);
      expect(tf.memory().numTensors).toBe(held);
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(tensors);
      tf.dispose([variable, gradient]);
    });
  });
}
