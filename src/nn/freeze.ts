/**
 * The layers that a stage keeps as they are, from the recipe's `freeze`. A layer lies before another where the other's output depends
 * on it. Owns the choice of the layers; the trainer leaves their weights alone, and their BatchNorms run as they do in tests.
 */

import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { FreezeRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { tapOf } from './tap.js';
import { leafLayers } from './weights.js';

type Layer = LayersModel['layers'][number];

/**
 * The layers that `freeze` names; none when it is left out. Throws `model.invalid` for a layer that is not there, and where every layer
 * with weights would be frozen, or none.
 */
export function frozenLayers(model: LayersModel, freeze: FreezeRecipe | undefined): ReadonlySet<Layer> {
  if (freeze === undefined) return new Set();
  const { through, after } = freeze;
  const name = through ?? after ?? '';
  const before = layersBefore(tapOf(model, name));
  const frozen = leafLayers(model).filter((layer) => before.has(layer) === (through !== undefined));
  const trainable = new Set(model.trainableWeights);
  const trains = (layer: Layer): boolean => layer.weights.some((weight) => trainable.has(weight));
  const [all, kept] = [leafLayers(model).filter(trains), frozen.filter(trains)];
  const where = through === undefined ? `after "${name}"` : `through "${name}"`;
  if (kept.length === 0) throw invalid(`no layer ${where} has weights that train, so there is nothing to freeze`);
  if (kept.length === all.length) throw invalid(`every layer with weights that train lies ${where}, so nothing would train`);
  return new Set(frozen);
}

function invalid(what: string): StillhouseError {
  return new StillhouseError('model.invalid', what, { hint: 'Name another layer (src/nn/README.md), or leave freeze out' });
}

/** The layer of this output, and all that it depends on. */
function layersBefore(output: SymbolicTensor): ReadonlySet<Layer> {
  const found = new Set<Layer>();
  const seen = new Set<SymbolicTensor>();
  const visit = (tensor: SymbolicTensor): void => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    const { sourceLayer } = tensor;
    const leaves = 'layers' in sourceLayer ? leafLayers(sourceLayer as unknown as LayersModel) : [sourceLayer];
    for (const layer of leaves) found.add(layer);
    tensor.inputs.forEach(visit);
  };
  visit(output);
  return found;
}
