/**
 * The variables of what a loss keeps from step to step (MemorySpec of src/losses): rows of the samples of a split, and single numbers. They
 * lie in the arena behind the adapters (`arenaSchemaOf`).
 */

import * as tf from '@tensorflow/tfjs-core';
import { hashString, Prng } from '../base/prng.js';
import { sizeOf } from '../tensor/tensor.js';

export interface MemoryVariable {
  /** Unique in the stage. */
  readonly name: string;
  /** The elements of a row; null: it is one number. */
  readonly width: number | null;
}

/** The shape of the tensor: [rows, width], or that of a scalar. */
export function shapeOfMemory({ width }: MemoryVariable, rows: number): readonly number[] {
  return width === null ? [] : [rows, width];
}

/**
 * Makes one variable for each, in their order: numbers are 0, and each row is a random direction, of length 1, which depends on seed, name and
 * row alone. The caller disposes them.
 */
export function createMemory(memory: readonly MemoryVariable[], rows: number, seed: number): tf.Variable[] {
  return memory.map((kept) => {
    const shape = shapeOfMemory(kept, rows);
    const values = new Float32Array(sizeOf(shape));
    if (kept.width !== null) {
      const name = hashString(kept.name);
      for (let row = 0; row < rows; row++)
        drawDirection(values.subarray(row * kept.width, (row + 1) * kept.width), new Prng(seed, name, row));
    }
    const start = tf.tensor(values, [...shape]);
    const variable = tf.variable(start, false);
    start.dispose();
    return variable;
  });
}

/** Uniform in a cube around 0, as in the authors' program of contrastive representation distillation, and then of length 1. */
function drawDirection(row: Float32Array, random: Prng): void {
  let squares = 0;
  for (let i = 0; i < row.length; i++) {
    const value = 2 * random.uniform() - 1;
    row[i] = value;
    squares += value * value;
  }
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  for (let i = 0; i < row.length; i++) row[i] = row[i]! * scale;
}
