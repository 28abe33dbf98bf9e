/**
 * An optimiser over a list of variables: keeps the slots of the update rule, the step count, and weight decay. It updates
 * pack by pack (pack.ts).
 * A step is two calls: `nextCoefficients` counts it and returns its numbers, and `apply` is the arithmetic on
 * tensors, which can be recorded, because it contains no number of a single step.
 *
 * Invariants: slots belong to the optimiser, variables do not. As an arena, slots lie pack by pack; a step count, where the
 * rule keeps one, is the last element (exact in float32 up to 2^24 steps).
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert, present } from '../base/assert.js';
import type { OptimizerRecipe } from '../config/schema.js';
import { updateRule } from './catalogue.js';
import { assignPack, type OptimizedVariable, type Pack, packTensors, packVariables } from './pack.js';
import type { UpdateRule } from './update-rule.js';

export class Optimizer {
  readonly #packs: readonly Pack[];
  readonly #rule: UpdateRule;
  readonly #weightDecay: number;
  /** The slots of each pack. */
  readonly #slots: readonly (readonly tf.Variable[])[];
  /** All slots, in the order of the arena, which has the step count after them. The optimiser disposes them. */
  readonly slots: readonly tf.Variable[];
  readonly slotCount: number;
  #step = 0;

  constructor(recipe: OptimizerRecipe, variables: readonly OptimizedVariable[]) {
    this.#rule = updateRule(recipe);
    this.#weightDecay = recipe.weightDecay;
    this.#packs = packVariables(variables.map(({ variable, decays }) => ({ variable, decays: decays && recipe.weightDecay > 0 })));
    this.#slots = this.#packs.map(({ shape }) => Array.from({ length: this.#rule.slotCount }, () => zeros(shape)));
    this.slots = this.#slots.flat();
    const elements = this.slots.reduce((sum, slot) => sum + slot.size, 0);
    this.slotCount = elements + (this.#rule.countsSteps ? 1 : 0);
  }

  /** The coefficients of the next step, by name. Counts the step; `apply` makes its update. */
  nextCoefficients(rate: number): Readonly<Record<string, number>> {
    if (this.#rule.countsSteps) this.#step += 1;
    return this.#rule.coefficients({ rate, step: this.#step });
  }

  /** Makes one update. `gradients` has the gradient of the mean loss by variable name. The caller disposes gradients and coefficients. */
  apply(gradients: tf.NamedTensorMap, coefficients: Readonly<Record<string, tf.Scalar>>): void {
    this.#packs.forEach((pack, i) => {
      const slots = present(this.#slots[i], 'slots');
      tf.tidy(() => {
        const value = packTensors(pack.variables);
        const raw = packTensors(pack.variables.map(({ name }) => present(gradients[name], `the gradient of ${name}`)));
        const gradient = pack.decays ? tf.add(raw, tf.mul(value, this.#weightDecay)) : raw;
        const next = this.#rule.update({ value, gradient, slots, coefficients });
        next.slots.forEach((slot, j) => void present(slots[j], 'slot').assign(slot));
        assignPack(pack, next.value);
      });
    });
  }

  /** The number of steps taken, where the rule counts them; otherwise 0. It is written and read with the slots. */
  get stepCount(): number {
    return this.#step;
  }

  /** The slots as a new copy, `slotCount` elements. */
  readSlots(): Float32Array {
    const arena = new Float32Array(this.slotCount);
    let offset = 0;
    for (const slot of this.slots) {
      arena.set(slot.dataSync<'float32'>(), offset);
      offset += slot.size;
    }
    if (this.#rule.countsSteps) arena[offset] = this.#step;
    return arena;
  }

  /** Overwrites the slots with a copy of the arena: some engines would keep using the caller's memory. */
  writeSlots(arena: Float32Array): void {
    assert(arena.length === this.slotCount, `${arena.length} slot elements for an optimiser of ${this.slotCount}`);
    let offset = 0;
    for (const slot of this.slots) {
      const value = tf.tensor(arena.slice(offset, offset + slot.size), slot.shape);
      slot.assign(value);
      value.dispose();
      offset += slot.size;
    }
    if (this.#rule.countsSteps) this.#step = present(arena[offset], 'step count');
  }

  resetSlots(): void {
    this.writeSlots(new Float32Array(this.slotCount));
  }

  dispose(): void {
    for (const slot of this.slots) slot.dispose();
  }
}

function zeros(shape: readonly number[]): tf.Variable {
  const start = tf.zeros([...shape]);
  const slot = tf.variable(start, false);
  start.dispose();
  return slot;
}
