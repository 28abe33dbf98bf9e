/**
 * The declaration of attention transfer by activation; its arithmetic is in attention-transfer.ts. Both models reduce their
 * feature maps to attention maps of one size, the smaller of the pair, so that only the maps travel.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';
import type { LossDeclaration } from './loss-declaration.js';

export const attentionTransferDeclaration: LossDeclaration = {
  paper: 'Zagoruyko & Komodakis, arXiv 1612.03928',
  weight: 1000,
  knobs: {},
  constants: {
    /** The exponent of the activations. */
    p: { default: 2, min: 1 },
  },
  takesTaps: true,
  takesOther: true,
  needs({ taps, constants: { p = 2 } }, shapes) {
    const pairs = taps.map(([layer, otherLayer]) => {
      const own = mapSize(layer, shapes.student(layer));
      const other = mapSize(otherLayer, shapes.other(otherLayer));
      const options = { p, height: Math.min(own.height, other.height), width: Math.min(own.width, other.width) };
      const spec = (name: string): KnowledgeSpec => ({ of: 'tap', layer: name, reduce: { name: 'attention', options } });
      return { student: spec(layer), other: spec(otherLayer) };
    });
    return { student: pairs.map(({ student }) => student), other: pairs.map(({ other }) => other), adapters: [] };
  },
};

function mapSize(layer: string, shape: readonly number[]): { readonly height: number; readonly width: number } {
  const [height, width] = shape;
  if (shape.length === 3 && height !== undefined && width !== undefined) return { height, width };
  throw new StillhouseError('model.invalid', `attention transfer takes maps, and the layer "${layer}" puts out [${shape.join(', ')}]`, {
    hint: 'Tap a convolution, or a layer right after one, whose output has height, width and channels',
  });
}
