/**
 * A model's parameters, in and out, as one flat arena; the schema has the place of each.
 *
 * Invariants: the order is that of `model.weights` (trainable ones first), and names do not depend on the number of models
 * that the process built before, so two processes that build the same model get the same hash.
 */

import { createHash } from 'node:crypto';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, LayerVariable } from '@tensorflow/tfjs-layers';
import { assert, present } from '../base/assert.js';
import { type ArenaItem, type ArenaKind, type ArenaSchema, layoutArena } from '../tensor/arena.js';

type Layer = LayersModel['layers'][number];

const KIND_BY_WEIGHT: Readonly<Record<string, ArenaKind>> = {
  kernel: 'kernel',
  depthwise_kernel: 'kernel',
  pointwise_kernel: 'kernel',
  recurrent_kernel: 'kernel',
  bias: 'bias',
  gamma: 'norm-scale',
  beta: 'norm-shift',
  moving_mean: 'norm-mean',
  moving_variance: 'norm-variance',
};

/** The layers that compute: a model inside the model is replaced by its own layers. A shared layer appears once. */
export function leafLayers(model: LayersModel): Layer[] {
  const leaves = model.layers.flatMap((layer) => ('layers' in layer ? leafLayers(layer as unknown as LayersModel) : [layer]));
  return [...new Set(leaves)];
}

/** Disposes the model's weights. `model.dispose()` would keep those of a layer that is called twice. */
export function disposeModel(model: LayersModel): void {
  for (const layer of leafLayers(model)) for (const weight of layer.weights) weight.dispose();
}

/** The place of each of the model's weights in its arena, behind them of each adapter that trains with it, and then of what the loss keeps. */
export function arenaSchemaOf(
  model: LayersModel,
  adapters: readonly AdapterShape[] = [],
  memory: readonly AdapterShape[] = [],
): ArenaSchema {
  const names = weightNames(model);
  const trainable = new Set(model.trainableWeights);
  const items = model.weights.map((weight): ArenaItem => {
    assert(weight.dtype === 'float32', `weight ${weight.name} is ${weight.dtype}, not float32`);
    return {
      name: present(names.get(weight), `the layer of weight ${weight.name}`),
      shape: weight.shape.map((axis) => present(axis, `an axis of weight ${weight.name}`)),
      kind: KIND_BY_WEIGHT[weightNameOf(weight)] ?? 'other',
      trainable: trainable.has(weight),
    };
  });
  const digest = (text: string) => createHash('sha256').update(text).digest('hex');
  return layoutArena({ model: items, adapters: adapters.map(adapterItem), memory: memory.map(memoryItem), digest });
}

/** A tensor of a loss, which does not belong to the model. */
export interface AdapterShape {
  readonly name: string;
  readonly shape: readonly number[];
}

function adapterItem({ name, shape }: AdapterShape): ArenaItem {
  return { name: `adapter:${name}`, shape, kind: 'adapter', trainable: true };
}

function memoryItem({ name, shape }: AdapterShape): ArenaItem {
  return { name: `memory:${name}`, shape, kind: 'memory', trainable: false };
}

/** The model's weights as variables, in the schema's order. */
export function weightsOf(model: LayersModel): tf.Variable[] {
  return model.weights.map((weight) => weight.read() as tf.Variable);
}

/** The model's parameters, as a new copy. */
export function readArena(model: LayersModel, schema: ArenaSchema): Float32Array {
  return readVariables(weightsOf(model), schema);
}

/** Overwrites the model's parameters with a copy of the arena: some engines would keep using the caller's memory. */
export function writeArena(model: LayersModel, schema: ArenaSchema, arena: Float32Array): void {
  writeVariables(weightsOf(model), schema, arena);
}

/** The variables' values, one for each entry of the schema, as a new copy. */
export function readVariables(variables: readonly tf.Variable[], schema: ArenaSchema): Float32Array {
  const arena = new Float32Array(schema.size);
  eachVariable(variables, schema, (variable, offset) => arena.set(variable.dataSync<'float32'>(), offset));
  return arena;
}

/** Overwrites the variables, one for each entry of the schema, with a copy of the arena. */
export function writeVariables(variables: readonly tf.Variable[], schema: ArenaSchema, arena: Float32Array): void {
  assert(arena.length === schema.size, `an arena of ${arena.length} elements for a model of ${schema.size}`);
  eachVariable(variables, schema, (variable, offset, size) => {
    const value = tf.tensor(arena.slice(offset, offset + size), variable.shape);
    variable.assign(value);
    value.dispose();
  });
}

type Visit = (variable: tf.Variable, offset: number, size: number) => void;

function eachVariable(variables: readonly tf.Variable[], { entries }: ArenaSchema, visit: Visit): void {
  assert(variables.length === entries.length, `a schema of ${entries.length} entries for ${variables.length} variables`);
  entries.forEach(({ offset, size }, i) => {
    visit(present(variables[i], 'variable'), offset, size);
  });
}

/** The layers that compute, with names that are the same in every process. A model inside the model may repeat a name. */
export function namedLayers(model: LayersModel): readonly (readonly [string, Layer])[] {
  return leafLayers(model).map((layer, index) => [stableName(layer, index), layer] as const);
}

/** The name of each weight, for example `conv1/kernel`. */
function weightNames(model: LayersModel): Map<LayerVariable, string> {
  const names = new Map<LayerVariable, string>();
  const taken = new Set<string>();
  leafLayers(model).forEach((layer, index) => {
    layer.weights.forEach((weight, position) => {
      const name = `${stableName(layer, index)}/${weightNameOf(weight)}`;
      const unique = taken.has(name) ? `${name}-${index}-${position}` : name;
      taken.add(unique);
      names.set(weight, unique);
    });
  });
  return names;
}

/** tfjs names an unnamed layer `conv2d_Conv2D7`, with a count over the whole process. The layer's index in the model is stable and is used instead. */
function stableName(layer: Layer, index: number): string {
  const className = layer.getClassName();
  return new RegExp(`_${className}\\d+$`).test(layer.name) ? `${className.toLowerCase()}-${index}` : layer.name;
}

/** The weight's own name without its layer, and without the `_1` that tfjs adds to a name already used in the process. */
export function weightNameOf(weight: LayerVariable): string {
  return weight.originalName.slice(weight.originalName.lastIndexOf('/') + 1);
}
