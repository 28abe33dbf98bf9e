/** A model as a graph of calls: each call of a layer with the tensors that it reads and makes, in an order in which they can be computed. */

import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';

type Layer = LayersModel['layers'][number];

/** One call of a layer. A layer that is called twice has two. */
export interface LayerCall {
  readonly layer: Layer;
  readonly inputs: readonly SymbolicTensor[];
  readonly outputs: readonly SymbolicTensor[];
}

/** The calls on the way from the model's inputs to its outputs. A call comes after those that it reads. A model inside the model is one layer. */
export function callsOf(model: LayersModel): readonly LayerCall[] {
  const calls = new Map<
    string,
    { readonly layer: Layer; readonly inputs: readonly SymbolicTensor[]; readonly outputs: SymbolicTensor[] }
  >();
  const seen = new Set<SymbolicTensor>();
  const visit = (tensor: SymbolicTensor): void => {
    if (seen.has(tensor)) return;
    seen.add(tensor);
    tensor.inputs.forEach(visit);
    const { sourceLayer: layer, nodeIndex, inputs } = tensor;
    const key = `${layer.id}-${nodeIndex}`;
    const known = calls.get(key);
    if (known === undefined) calls.set(key, { layer, inputs, outputs: [tensor] });
    else known.outputs.push(tensor);
  };
  model.outputs.forEach(visit);
  return [...calls.values()];
}

/**
 * The calls that every path from an input to an output goes through, in order: the ends of a network's blocks, but nothing inside a
 * branch. Each has one output.
 */
export function cutsOf(calls: readonly LayerCall[]): readonly LayerCall[] {
  const place = new Map(calls.flatMap(({ outputs }, i) => outputs.map((tensor) => [tensor, i] as const)));
  const lastReader = calls.map(() => 0);
  calls.forEach(({ inputs }, i) => {
    for (const tensor of inputs) lastReader[place.get(tensor) ?? 0] = i;
  });
  let reach = 0;
  return calls.filter(({ outputs }, i) => {
    // No call before this one is read by one after it.
    const isCut = reach <= i && outputs.length === 1;
    reach = Math.max(reach, lastReader[i] ?? 0);
    return isCut;
  });
}
