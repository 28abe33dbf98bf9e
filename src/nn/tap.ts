/**
 * Taps: the output of a layer, found by the layer's name. Owns the search, and the errors for a name that means no tensor
 * or more than one. A layer without a name of its own is named as its weights are in the arena (weights.ts).
 */

import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { byDistance, nearest, suggest } from '../base/nearest.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { callsOf } from './layer-graph.js';
import { summaryOf } from './model-summary.js';
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
function outputsOf(model: LayersModel, layer: Layer): readonly SymbolicTensor[] {
  return callsOf(model).flatMap((call) => (call.layer === layer ? call.outputs : []));
}

/** An error lists all layers of a model that has at most so many. */
const LISTED_MAX = 40;
/** The closest names that an error about a larger model lists. */
const CLOSEST = 5;

function unknownLayer(model: LayersModel, name: string): StillhouseError {
  const { layers, taps } = summaryOf(model);
  const tappable = layers.flatMap(({ name: known, kind, shape }) =>
    shape === null || kind === 'InputLayer' ? [] : [[known, `${known} ${shape.map((axis) => axis ?? '?').join('x')}`] as const],
  );
  const names = tappable.map(([known]) => known);
  const list = (some: readonly string[]) => tappable.flatMap(([known, text]) => (some.includes(known) ? [text] : [])).join(', ');
  const match = nearest(name, [...namedLayers(model).map(([known]) => known), ...names]);
  const chosen = [...taps.maps, ...(taps.beforeClassifier === null ? [] : [taps.beforeClassifier])];
  const hint =
    tappable.length <= LISTED_MAX
      ? `Its layers, with the shapes of their outputs: ${list(names)}`
      : `The closest: ${list(byDistance(name, names).slice(0, CLOSEST))}. Good to tap: ${list(chosen)}. ` +
        `\`stillhouse model\` lists all ${tappable.length} layers`;
  return invalid(`the model has no layer "${name}"${match === null ? '' : suggest(name, [match])}`, hint);
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
