/**
 * Layers that divide or order the channels of a picture. tfjs has no convolution of groups and no layer that shuffles channels; these are
 * made of its stock layers, so that a saved model opens anywhere.
 */

import { layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { convolution } from './picture-layers.js';

/** A 1x1 convolution whose inputs and outputs are divided into `groups` that do not see each other. */
export interface GroupedOptions {
  readonly name: string;
  readonly filters: number;
  readonly groups: number;
}

/** The layers `NAME.slice1`, `NAME.group1` and so on, and `NAME`, which puts the groups one after the other; with one group a convolution alone. */
export function groupedConvolution(x: SymbolicTensor, { name, filters, groups }: GroupedOptions): SymbolicTensor {
  if (groups === 1) return convolution(x, { name, filters, kernelSize: 1 });
  const width = (x.shape[3] as number) / groups;
  const parts = Array.from({ length: groups }, (_, i) => {
    const part = channels(x, { name: `${name}.slice${i + 1}`, from: i * width, to: (i + 1) * width });
    return convolution(part, { name: `${name}.group${i + 1}`, filters: filters / groups, kernelSize: 1 });
  });
  return concatenate(parts, name);
}

/** The channels `from` to `to`, without the last. With `channelsFirst`, Cropping2D crops the last two axes; here the last is the channels. */
export function channels(
  x: SymbolicTensor,
  { name, from, to }: { readonly name: string; readonly from: number; readonly to: number },
): SymbolicTensor {
  const cropping: [[number, number], [number, number]] = [
    [0, 0],
    [from, (x.shape[3] as number) - to],
  ];
  return layers.cropping2D({ name, cropping, dataFormat: 'channelsFirst' }).apply(x) as SymbolicTensor;
}

/**
 * Deals the channels out anew: the first of each group, then the second of each, and so on. The layers `NAME.divide` and `NAME.turn`, and
 * `NAME`, the output.
 */
export function shuffle(x: SymbolicTensor, { name, groups }: { readonly name: string; readonly groups: number }): SymbolicTensor {
  const [, height, width, count] = x.shape as [null, number, number, number];
  // Rank 4 and not 5: all pixels are one axis.
  const pixels = height * width;
  const divided = layers.reshape({ name: `${name}.divide`, targetShape: [pixels, groups, count / groups] }).apply(x);
  const turned = layers.permute({ name: `${name}.turn`, dims: [1, 3, 2] }).apply(divided);
  return layers.reshape({ name, targetShape: [height, width, count] }).apply(turned) as SymbolicTensor;
}

/** One after the other along the channels. */
export function concatenate(parts: SymbolicTensor[], name: string): SymbolicTensor {
  return layers.concatenate({ name }).apply(parts) as SymbolicTensor;
}
