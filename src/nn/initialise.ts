/**
 * Initial parameters. They are drawn here and not by tfjs, so that a seed gives the same bits on every engine. Each tensor's
 * draws depend on the seed and on the tensor's name only, not on the rest of the model.
 */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { assert } from '../base/assert.js';
import { hashString, Prng } from '../base/prng.js';
import type { ArenaEntry } from '../tensor/arena.js';
import { arenaSchemaOf, writeArena } from './weights.js';

/**
 * `torch`: PyTorch's defaults, kernels and biases uniform within 1 / sqrt(fan in).
 * `kaiming`: convolutions normal with variance 2 / fan out (He et al., arXiv 1502.01852), all else as `torch`.
 * `kaiming-zero-bias`: the same, with biases of 0.
 * `normal-head`: convolutions as `kaiming`, dense layers normal with deviation .01, biases of 0.
 * In all, BatchNorm's scale and variance are 1, its shift and mean 0.
 */
export type InitialisationScheme = 'torch' | 'kaiming' | 'kaiming-zero-bias' | 'normal-head';

/** The deviation of a dense layer's kernel under `normal-head`. */
const HEAD_DEVIATION = 0.01;

/** Options for the layers of a model that {@link initialise} fills, so that tfjs draws nothing at random before. */
export const ZEROS = { kernelInitializer: 'zeros', biasInitializer: 'zeros' } as const;

/** Overwrites all parameters of a model whose layers are convolutions, dense layers and BatchNorms. */
export function initialise(model: LayersModel, scheme: InitialisationScheme, seed: number): void {
  const schema = arenaSchemaOf(model);
  const arena = new Float32Array(schema.size);
  const fanInOfLayer = new Map<string, number>();
  for (const entry of schema.entries) if (entry.kind === 'kernel') fanInOfLayer.set(layerOf(entry), fansOfKernel(entry).fanIn);
  for (const entry of schema.entries) {
    fill(arena.subarray(entry.offset, entry.offset + entry.size), entry, { scheme, seed, fanIn: fanInOfLayer.get(layerOf(entry)) });
  }
  writeArena(model, schema, arena);
}

interface FillOptions {
  readonly scheme: InitialisationScheme;
  readonly seed: number;
  /** The fan-in of the entry's layer; undefined for BatchNorm. */
  readonly fanIn: number | undefined;
}

function fill(out: Float32Array, entry: ArenaEntry, { scheme, seed, fanIn }: FillOptions): void {
  if (fanIn === undefined) {
    out.fill(entry.kind === 'norm-scale' || entry.kind === 'norm-variance' ? 1 : 0);
    return;
  }
  assert(entry.kind === 'kernel' || entry.kind === 'bias', `no rule to initialise ${entry.name}`);
  if (entry.kind === 'bias' && (scheme === 'kaiming-zero-bias' || scheme === 'normal-head')) return;
  const random = new Prng(seed, hashString(entry.name));
  const deviation = entry.kind === 'kernel' ? deviationOf(entry, scheme) : null;
  const bound = 1 / Math.sqrt(fanIn);
  for (let i = 0; i < out.length; i++) out[i] = deviation === null ? bound * (2 * random.uniform() - 1) : deviation * random.normal();
}

/** The deviation of a kernel that is drawn from a normal distribution; null for one that is uniform. */
function deviationOf(entry: ArenaEntry, scheme: InitialisationScheme): number | null {
  if (scheme === 'torch') return null;
  if (entry.shape.length === 4) return Math.sqrt(2 / fansOfKernel(entry).fanOut);
  return scheme === 'normal-head' ? HEAD_DEVIATION : null;
}

/**
 * As {@link fansOf}. A depthwise kernel, [height, width, channels, multiplier], has PyTorch's fans: each output sees one channel, and the
 * fan out counts the outputs of all channels.
 */
function fansOfKernel({ name, shape }: ArenaEntry): { fanIn: number; fanOut: number } {
  if (!name.endsWith('/depthwise_kernel')) return fansOf(shape);
  const [height = 1, width = 1, channels = 1, multiplier = 1] = shape;
  return fansOf([height, width, 1, channels * multiplier]);
}

/** The number of inputs of one output, and the number of outputs of one input, for a kernel [in, out] or [height, width, in, out]. */
export function fansOf(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [fanOut = 1, inputs = 1, ...window] = [...shape].reverse();
  const area = window.reduce((product, axis) => product * axis, 1);
  return { fanIn: inputs * area, fanOut: fanOut * area };
}

function layerOf(entry: ArenaEntry): string {
  return entry.name.slice(0, entry.name.lastIndexOf('/'));
}
