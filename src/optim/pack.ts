/**
 * Variables that are updated together, as one vector. A network has many small variables, and each operation on one of them
 * costs more than its arithmetic: the 59 variables of ResNet-20 make 6 packs.
 */

import * as tf from '@tensorflow/tfjs-core';

export interface OptimizedVariable {
  readonly variable: tf.Variable;
  /** Whether weight decay acts on it. */
  readonly decays: boolean;
}

/** Variables that an update takes as one tensor. A single variable keeps its shape; several lie one after the other, in rank 1. */
export interface Pack {
  readonly variables: readonly [tf.Variable, ...tf.Variable[]];
  readonly decays: boolean;
  readonly shape: readonly number[];
}

/** The most elements of a pack, 256 kB: the arrays of an update then stay in a core's cache from one operation to the next. */
const PACK_MAX = 2 ** 16;

/** Packs the variables that decay, then the others, each in the order of the list. A pack is closed before it would exceed `most` elements. */
export function packVariables(variables: readonly OptimizedVariable[], most: number = PACK_MAX): Pack[] {
  return [true, false].flatMap((decays) => {
    const groups: [tf.Variable, ...tf.Variable[]][] = [];
    let size = 0;
    for (const { variable } of variables.filter((one) => one.decays === decays)) {
      const last = groups.at(-1);
      if (last === undefined || size + variable.size > most) {
        groups.push([variable]);
        size = variable.size;
      } else {
        last.push(variable);
        size += variable.size;
      }
    }
    return groups.map((group) => ({ variables: group, decays, shape: shapeOf(group) }));
  });
}

function shapeOf(group: readonly [tf.Variable, ...tf.Variable[]]): readonly number[] {
  return group.length === 1 ? group[0].shape : [group.reduce((sum, { size }) => sum + size, 0)];
}

/** Joins one tensor for each variable of a pack into a tensor of the pack's shape. */
export function packTensors(tensors: readonly tf.Tensor[]): tf.Tensor {
  const [first, ...others] = tensors;
  return first !== undefined && others.length === 0 ? first : tf.concat(tensors.map((tensor) => tf.reshape(tensor, [tensor.size])));
}

/** Gives each variable of the pack its part of a tensor of the pack's shape. */
export function assignPack({ variables }: Pack, packed: tf.Tensor): void {
  if (variables.length === 1) {
    variables[0].assign(packed);
    return;
  }
  const sizes = variables.map(({ size }) => size);
  tf.split(packed, sizes).forEach((part, i) => {
    const variable = variables[i]!;
    variable.assign(tf.reshape(part, variable.shape));
  });
}
