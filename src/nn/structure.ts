/**
 * The structure of a model: classes, options, names and connections of its layers, and the shapes of their weights. It is the same in every
 * process, whatever was built there before. Initialisers are not in it: they make parameters, and are no part of what is computed.
 */

import { createHash } from 'node:crypto';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { ModelStructure } from '../tensor/model-structure.js';
import { arenaSchemaOf, leafLayers } from './weights.js';

/** The structure of a model that is built. */
export function structureOf(model: LayersModel): ModelStructure {
  const { name: _, ...config } = model.getConfig() as Readonly<Record<string, unknown>>;
  const content = [model.getClassName(), canonical(config, new Map()), arenaSchemaOf(model).model.hash];
  return {
    digest: createHash('sha256').update(JSON.stringify(content)).digest('hex'),
    layers: leafLayers(model).length,
    parameters: model.countParams(),
  };
}

/** A name that tfjs gives, with a count over the whole process: `dense_Dense7`, `dense_Dense7_input`, `input3`, `model2`, `sequential_1`. */
const COUNTED_NAME = /^([a-z0-9_]+_[A-Z][A-Za-z0-9]*?|input|model|functional|sequential_)\d+(_input)?$/;

/**
 * The value with the keys of maps in order and without initialisers. The counts in names that tfjs gave are replaced by the order in which
 * the names come.
 */
function canonical(value: unknown, names: Map<string, string>): unknown {
  if (typeof value === 'string') return COUNTED_NAME.test(value) ? nameFor(value, names) : value;
  if (Array.isArray(value)) return value.map((entry: unknown) => canonical(entry, names));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => !key.endsWith('Initializer'));
  // In this order, because names are counted on the way.
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([key, entry]) => [key, canonical(entry, names)]);
}

function nameFor(counted: string, names: Map<string, string>): string {
  const known = names.get(counted) ?? `${counted.replace(COUNTED_NAME, '$1$2')}#${names.size}`;
  names.set(counted, known);
  return known;
}
