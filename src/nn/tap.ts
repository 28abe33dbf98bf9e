/**
 * Taps: the output of a layer, found by the layer's name. Owns the search, and the errors for a name that means no tensor
 * or more than one. A layer without a name of its own is named as its weights are in the arena (weights.ts).
 */

import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { suggest } from '../base/nearest.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { leafLayers, namedLayers } from './weights.js';

type Layer = LayersModel['layers'][number];

/** The output of the layer with this name, a tensor of the model's own graph. Throws `model.invalid` with a hint. */
export function tapOf(model: LayersModel, name: string): SymbolicTensor {
  const named = [...namedLayers(model), ...model.layers.map((layer) => [layer.name, layer] as const)];
  const matches = named.filter(([known]) => known === name).map(([, layer]) => layer);
  const layer = matches.find((match) => model.layers.includes(match)) ?? matches[0];
  if (layer === undefined) throw unknownLayer(model, name);
  if (!model.layers.includes(layer)) throw nestedLayer(model, { name, layer });
  const outputs = outputsOf(model, layer);
  const [output] = outputs;
  if (output === undefined || outputs.length > 1) {
    throw invalid(
      `the layer "${name}" has ${outputs.length} outputs in the model, because it is called more than once or puts out several tensors`,
      'Tap a layer with one output: one that reads the output you mean, or a layer of its own for each call',
    );
  }
  if (output.inputs.length === 0) throw invalid(`the layer "${name}" is the model's input`, 'Tap a layer that computes something');
  return output;
}

/** The shapes of a model's layers, without the batch: [H, W, C] of a feature map. It can be used after the model is disposed. */
export function layerShapes(model: LayersModel): (layer: string) => readonly number[] {
  return (layer) => shapeOfTap(tapOf(model, layer), layer);
}

function shapeOfTap({ shape }: SymbolicTensor, name: string): readonly number[] {
  return shape.slice(1).map((axis) => {
    if (axis !== null) return axis;
    throw invalid(`the output of the layer "${name}" has no fixed shape: [${shape.join(', ')}]`, 'Tap a layer whose shape the model fixes');
  });
}

/** All output tensors of the layer on the way to the model's outputs. */
function outputsOf(model: LayersModel, layer: Layer): SymbolicTensor[] {
  const seen = new Set<SymbolicTensor>();
  const visit = (tensor: SymbolicTensor): void => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    tensor.inputs.forEach(visit);
  };
  model.outputs.forEach(visit);
  return [...seen].filter((tensor) => tensor.sourceLayer === layer);
}

function unknownLayer(model: LayersModel, name: string): StillhouseError {
  return invalid(
    `the model has no layer "${name}"${suggest(
      name,
      namedLayers(model).map(([known]) => known),
    )}`,
    'A tap names a layer as the model names it (src/nn/README.md has those of the package); a layer without a name is called after ' +
      'its class and place, as conv2d-3',
  );
}

function nestedLayer(model: LayersModel, { name, layer }: { readonly name: string; readonly layer: Layer }): StillhouseError {
  const around = model.layers.find((outer) => 'layers' in outer && leafLayers(outer as unknown as LayersModel).includes(layer));
  return invalid(
    `the layer "${name}" is inside the model "${around?.name}", which is one layer of this model`,
    `Tap "${around?.name}", or call its layers in the model itself`,
  );
}

function invalid(message: string, hint: string): StillhouseError {
  return new StillhouseError('model.invalid', message, { hint });
}
