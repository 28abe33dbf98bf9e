/**
 * A frozen model without the BatchNormalizations that follow a convolution or a dense layer. In inference such a norm is
 * a factor and a shift per channel, and the layer before it can carry both in its kernel and bias: the same function
 * with fewer passes over the images.
 *
 * The folded model is made of stock layers, which are called as those of the source are, and has variables of its own. The
 * source does not change and belongs to its owner. A norm is not folded where its input is not the output of a linear layer,
 * where either is called more than once, and where another layer reads the tensor between them.
 */

import * as tf from '@tensorflow/tfjs-core';
import { input, type LayersModel, model as makeModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';
import { disposeModel } from './weights.js';

type Layer = LayersModel['layers'][number];

/** The classes of layers that can take a norm. Their output channels are the last axis of the kernel; for a depthwise kernel, the last two. */
const FOLDING_CLASSES: readonly string[] = ['Conv2D', 'DepthwiseConv2D', 'Dense'];

export interface FoldedModel {
  /** For inference only. */
  readonly model: LayersModel;
  /** Copies the source's present parameters into the folded model. */
  refresh(): void;
  /** Disposes the folded model's variables. The source keeps its own. */
  dispose(): void;
}

/** The model without the norms that can be folded; null when there are none. The caller disposes it. */
export function foldBatchNorms(source: LayersModel): FoldedModel | null {
  const norms = findFolds(source);
  if (norms.size === 0) return null;
  const copies = new Map<Layer, Layer>();
  const model = copyModel(source, norms, copies);
  const refresh = () => {
    for (const [layer, copy] of copies) copyWeights(layer, copy, norms.get(layer));
  };
  refresh();
  return {
    model,
    refresh,
    dispose: () => disposeModel(model),
  };
}

function isModel(layer: Layer): layer is LayersModel {
  return 'layers' in layer;
}

/** A name for a call of a layer. All outputs of the call have the same name. */
function callOf({ sourceLayer, nodeIndex }: SymbolicTensor): string {
  return `${sourceLayer.id}-${nodeIndex}`;
}

/** The counts of layers and tensors in a model and in the models inside it. */
interface Census {
  /** The number of calls of each layer. */
  readonly calls: Map<Layer, number>;
  /** The number of times that each tensor is read. Being an output counts as one. */
  readonly reads: Map<SymbolicTensor, number>;
  /** The outputs of the BatchNormalizations. */
  readonly normed: SymbolicTensor[];
}

/** The norm that each layer can take. */
function findFolds(source: LayersModel): ReadonlyMap<Layer, Layer> {
  const census: Census = { calls: new Map(), reads: new Map(), normed: [] };
  countModel(source, census);
  const { calls, reads, normed } = census;
  const folds = new Map<Layer, Layer>();
  for (const output of normed) {
    const norm = output.sourceLayer;
    const before = present(output.inputs[0], 'the input of a norm');
    const layer = before.sourceLayer;
    const alone = calls.get(norm) === 1 && calls.get(layer) === 1 && reads.get(before) === 1;
    if (alone && normalisesLastAxis(norm, output.rank) && isLinear(layer)) folds.set(layer, norm);
  }
  return folds;
}

function countModel(model: LayersModel, census: Census): void {
  const seen = new Set<string>();
  const visit = (tensor: SymbolicTensor): void => {
    increment(census.reads, tensor);
    const call = callOf(tensor);
    if (seen.has(call)) return;
    seen.add(call);
    const layer = tensor.sourceLayer;
    const calls = increment(census.calls, layer);
    if (isModel(layer) && calls === 1) countModel(layer, census);
    if (layer.getClassName() === 'BatchNormalization') census.normed.push(tensor);
    tensor.inputs.forEach(visit);
  };
  model.outputs.forEach(visit);
}

function increment<Key>(counts: Map<Key, number>, key: Key): number {
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  return count;
}

function normalisesLastAxis(norm: Layer, rank: number): boolean {
  const { axis } = norm.getConfig();
  return axis === -1 || axis === rank - 1;
}

function isLinear(layer: Layer): boolean {
  const { activation, dataFormat } = layer.getConfig();
  return FOLDING_CLASSES.includes(layer.getClassName()) && activation === 'linear' && dataFormat !== 'channelsFirst';
}

/** Repeats the source's calls on copies of its layers, without the folded norms. Adds to `copies`; the weights are zeros. */
function copyModel(source: LayersModel, norms: ReadonlyMap<Layer, Layer>, copies: Map<Layer, Layer>): LayersModel {
  const folded = new Set(norms.values());
  const outputs = new Map<string, readonly SymbolicTensor[]>();
  const copyLayer = (layer: Layer): Layer => {
    const copy = copies.get(layer) ?? (isModel(layer) ? copyModel(layer, norms, copies) : cloneLayer(layer, norms.has(layer)));
    copies.set(layer, copy);
    return copy;
  };
  const copyTensor = (tensor: SymbolicTensor): SymbolicTensor => {
    const { sourceLayer: layer, inputs, outputTensorIndex = 0 } = tensor;
    if (folded.has(layer)) return copyTensor(present(inputs[0], 'the input of a norm'));
    const call = callOf(tensor);
    const known =
      outputs.get(call) ??
      (inputs.length === 0 ? [copyInput(tensor)] : applyLayer(copyLayer(layer), inputs.map(copyTensor), tensor.callArgs));
    outputs.set(call, known);
    return present(known[outputTensorIndex], `output ${outputTensorIndex} of layer ${layer.name}`);
  };
  return makeModel({ name: source.name, outputs: source.outputs.map(copyTensor), inputs: source.inputs.map(copyTensor) });
}

function copyInput({ sourceLayer, shape, dtype }: SymbolicTensor): SymbolicTensor {
  return input({ name: sourceLayer.name, batchShape: shape, dtype });
}

function applyLayer(layer: Layer, inputs: SymbolicTensor[], callArgs: SymbolicTensor['callArgs']): SymbolicTensor[] {
  const [only] = inputs;
  const output = layer.apply(inputs.length === 1 && only !== undefined ? only : inputs, callArgs);
  return (Array.isArray(output) ? output : [output]) as SymbolicTensor[];
}

function cloneLayer(layer: Layer, takesNorm: boolean): Layer {
  const layerClass = layer.constructor as unknown as tf.serialization.SerializableConstructor<Layer>;
  const config = takesNorm ? { ...layer.getConfig(), useBias: true } : layer.getConfig();
  const clone = layerClass.fromConfig(layerClass, config);
  clone.setFastWeightInitDuringBuild(true);
  return clone;
}

function copyWeights(layer: Layer, copy: Layer, norm: Layer | undefined): void {
  if (isModel(layer)) return;
  if (norm === undefined) copy.setWeights(layer.getWeights());
  else tf.tidy(() => copy.setWeights(foldedWeights(layer, norm)));
}

/** Kernel and bias of the layer with the norm in them: norm(x k + b) = x (k scale) + (b - mean) scale + beta. C output channels. */
function foldedWeights(layer: Layer, norm: Layer): tf.Tensor[] {
  const [kernel, bias_C] = layer.getWeights();
  const { epsilon } = norm.getConfig() as { epsilon: number };
  const read = (name: string) => norm.weights.find((weight) => weight.originalName.endsWith(`/${name}`))?.read();
  const inverse_C = tf.rsqrt(tf.add(present(read('moving_variance'), 'moving variance'), epsilon));
  const gamma_C = read('gamma');
  const scale_C = gamma_C === undefined ? inverse_C : tf.mul(inverse_C, gamma_C);
  const mean_C = present(read('moving_mean'), 'moving mean');
  const shift_C = tf.mul(bias_C === undefined ? tf.neg(mean_C) : tf.sub(bias_C, mean_C), scale_C);
  const beta_C = read('beta');
  const depthwise = layer.getClassName() === 'DepthwiseConv2D';
  const shape = depthwise ? present(kernel, 'kernel').shape.slice(-2) : scale_C.shape;
  const folded = tf.mul(present(kernel, 'kernel'), tf.reshape(scale_C, shape));
  return [folded, beta_C === undefined ? shift_C : tf.add(shift_C, beta_C)];
}
