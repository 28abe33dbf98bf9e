/** A summary of a model: its layers with shapes, parameters and cost, the totals, and the layers that are good to tap. */

import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import { costOf, type LayerCost } from './layer-cost.js';
import { callsOf, cutsOf, type LayerCall } from './layer-graph.js';
import { namedLayers, weightNameOf } from './weights.js';

type Layer = LayersModel['layers'][number];

/** The shape of an output without the batch; null for an axis that the model does not fix. */
export type OutputShape = readonly (number | null)[];

export interface LayerSummary {
  /** As a tap names it. */
  readonly name: string;
  /** Its class in tfjs. */
  readonly kind: string;
  /** The kind in short, with window and stride: `conv 3x3 /2`. */
  readonly label: string;
  /** The shape of its only output in the model; null where it has several, and cannot be tapped. */
  readonly shape: OutputShape | null;
  readonly parameters: number;
  /** For one image, all its calls together; null where it is not known: a kind without a rule, or a shape that the model does not fix. */
  readonly cost: LayerCost | null;
}

export interface ModelSummary {
  readonly layers: readonly LayerSummary[];
  readonly parameters: number;
  /** The parameters that training changes by their gradient: not the statistics of a BatchNorm. */
  readonly trainable: number;
  /** For one image, without the layers whose cost is null. */
  readonly cost: LayerCost;
  readonly taps: TapAdvice;
}

/** The layers that a method of features would tap, by the names of the summary. */
export interface TapAdvice {
  /** For each resolution from the image on, the end of its last block (`endOf`), among the layers that every path through the model goes through. */
  readonly maps: readonly string[];
  /** The vector that the classifier reads; null where there is none to tap. */
  readonly beforeClassifier: string | null;
}

/** The summary of a model, which stays its owner's. */
export function summaryOf(model: LayersModel): ModelSummary {
  const calls = callsOf(model);
  const names = new Map<Layer, string>(namedLayers(model).map(([name, layer]) => [layer, name]));
  const nameOf = (layer: Layer): string => names.get(layer) ?? layer.name;
  const layers = model.layers.map((layer): LayerSummary => {
    const own = calls.filter((call) => call.layer === layer);
    const outputs = own.flatMap((call) => call.outputs);
    const [kind, label] = isModel(layer) ? [layer.getClassName(), 'model'] : [layer.getClassName(), labelOf(layer)];
    const shape = outputs.length === 1 ? shapeOf(outputs[0] as SymbolicTensor) : null;
    return { name: nameOf(layer), kind, label, shape, parameters: layer.countParams(), cost: totalOf(own.map(costOfCall)) };
  });
  const trainable = new Set(model.trainableWeights);
  return {
    layers,
    parameters: model.countParams(),
    trainable: model.weights.reduce((sum, weight) => sum + (trainable.has(weight) ? count(weight.shape) : 0), 0),
    cost: totalOf(layers.map(({ cost }) => cost ?? { multiplyAdds: 0, flops: 0 })) ?? { multiplyAdds: 0, flops: 0 },
    taps: adviceOf(calls, nameOf),
  };
}

function isModel(layer: Layer): layer is LayersModel {
  return 'layers' in layer;
}

function shapeOf({ shape }: SymbolicTensor): OutputShape {
  return shape.slice(1);
}

function count(shape: OutputShape): number {
  return shape.reduce<number>((product, axis) => product * (axis ?? 0), 1);
}

/** The sum; null where a part is. */
function totalOf(costs: readonly (LayerCost | null)[]): LayerCost | null {
  return costs.reduce<LayerCost | null>(
    (sum, cost) =>
      sum === null || cost === null ? null : { multiplyAdds: sum.multiplyAdds + cost.multiplyAdds, flops: sum.flops + cost.flops },
    { multiplyAdds: 0, flops: 0 },
  );
}

function costOfCall({ layer, inputs, outputs }: LayerCall): LayerCost | null {
  if (isModel(layer)) return totalOf(callsOf(layer).map(costOfCall));
  const shapes = [...inputs, outputs[0] as SymbolicTensor].map(shapeOf);
  if (shapes.some((shape) => shape.includes(null))) return null;
  return costOf({
    kind: layer.getClassName(),
    config: layer.getConfig(),
    weights: Object.fromEntries(layer.weights.map((weight) => [weightNameOf(weight), weight.shape.map(Number)])),
    inputs: shapes.slice(0, -1).map((shape) => shape.map(Number)),
    output: (shapes.at(-1) ?? []).map(Number),
  });
}

/** Layers whose output is no knowledge of its own: the image, a padded copy of another output, one with places dropped at random. */
const COPYING = /^(InputLayer|ZeroPadding2D|Cropping2D|UpSampling2D|.*Dropout.*|GaussianNoise)$/;

/** Layers that order numbers anew. A shape that only they put out is no picture, but a step of theirs. */
const ORDERING = /^(Reshape|Permute)$/;

function adviceOf(calls: readonly LayerCall[], nameOf: (layer: Layer) => string): TapAdvice {
  const cuts = cutsOf(calls).filter(({ layer }) => !COPYING.test(layer.getClassName()));
  const called = (layer: Layer) => calls.filter((call) => call.layer === layer).length;
  const isTappable = ({ layer }: LayerCall) => called(layer) === 1;
  const classifier = cuts.findLastIndex(({ layer }) => layer.weights.some((weight) => weightNameOf(weight).endsWith('kernel')));
  const before = cuts.slice(0, Math.max(0, classifier));
  const maps = before.filter((call) => resolutionOf(call) !== null);
  const final = maps.at(-1);
  const ends = [...new Set(maps.map(resolutionOf))].map((resolution) => {
    const own = maps.filter((call) => resolutionOf(call) === resolution);
    // No block begins after the last map.
    const block = final !== undefined && own.includes(final) ? own : own.slice(0, endOf(own));
    const isPicture = resolution !== '1x1' && own.some(({ layer }) => !ORDERING.test(layer.getClassName()));
    return isPicture ? block.findLast(isTappable) : undefined;
  });
  const last = before.findLast(isTappable);
  const isVector = last !== undefined && shapeOf(last.outputs[0] as SymbolicTensor).length === 1;
  return {
    maps: ends.flatMap((call) => (call === undefined ? [] : [nameOf(call.layer)])),
    beforeClassifier: isVector ? nameOf(last.layer) : null,
  };
}

/** Height and width of a call's output; null where it is no map, or the model does not fix them. */
function resolutionOf({ outputs }: LayerCall): string | null {
  const [height = null, width = null, ...channels] = shapeOf(outputs[0] as SymbolicTensor);
  return channels.length === 1 && height !== null && width !== null ? `${height}x${width}` : null;
}

/**
 * The number of calls up to the end of the last block, where branches join, with the ReLU that may follow. A layer with weights after that
 * begins the next block, though the map is still as large: the norm of a wide ResNet, the wider convolution of MobileNetV2. Without a join all calls.
 */
function endOf(calls: readonly LayerCall[]): number {
  const join = calls.findLastIndex(({ inputs }) => inputs.length > 1);
  const next = calls.findIndex(({ layer }, i) => i > join && layer.weights.length > 0);
  return join < 0 || next < 0 ? calls.length : next;
}

const LABELS: Readonly<Record<string, string>> = {
  InputLayer: 'input',
  Conv1D: 'conv',
  Conv2D: 'conv',
  Conv2DTranspose: 'transposed',
  DepthwiseConv2D: 'depthwise',
  SeparableConv2D: 'separable',
  BatchNormalization: 'norm',
  ZeroPadding2D: 'pad',
  GlobalAveragePooling2D: 'mean of all',
  GlobalMaxPooling2D: 'max of all',
  AveragePooling2D: 'mean',
  MaxPooling2D: 'max',
};

function labelOf(layer: Layer): string {
  const kind = layer.getClassName();
  const { kernelSize, poolSize, strides, activation } = layer.getConfig();
  if (kind === 'Activation') return String(activation);
  const window = [kernelSize ?? poolSize ?? []].flat().map(String);
  const [stride = 1] = [strides ?? []].flat().map(Number);
  const size = window.length === 0 ? '' : ` ${window.join('x')}`;
  // A pooling usually steps by its window.
  const step = stride === 1 || window[0] === String(stride) ? '' : ` /${stride}`;
  const after = activation === undefined || activation === 'linear' ? '' : `, ${String(activation)}`;
  return `${LABELS[kind] ?? kind.toLowerCase()}${size}${step}${after}`;
}
