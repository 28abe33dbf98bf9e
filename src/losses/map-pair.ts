/**
 * The needs of a loss over pairs of feature maps: taps of both sides, reduced in the same way, with options from the shapes of each pair.
 * Plain TypeScript without tfjs, for declarations.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ReductionSpec, SampleSpec } from '../tensor/knowledge.js';
import type { TapShapes, TermNeeds, TermSettings } from './loss-declaration.js';

/** The shape of a layer's feature map, without the batch. */
export interface MapShape {
  readonly layer: string;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Both maps of a pair of taps, and the smaller of each axis: to this size both can be pooled. */
export interface MapPair {
  readonly own: MapShape;
  readonly other: MapShape;
  readonly height: number;
  readonly width: number;
}

/** The needs of a loss that asks both sides of each pair for one reduction. Throws `model.invalid` for a layer that puts out no map. */
export function needsOfMaps(
  { taps }: Pick<TermSettings, 'taps'>,
  shapes: TapShapes,
  reductionOf: (pair: MapPair) => ReductionSpec | null,
): TermNeeds {
  const pairs = taps.map(([layer, otherLayer]) => {
    const [own, other] = [checkMap(layer, shapes.student(layer)), checkMap(otherLayer, shapes.other(otherLayer))];
    const [height, width] = [Math.min(own.height, other.height), Math.min(own.width, other.width)];
    const reduce = reductionOf({ own, other, height, width });
    const spec = (name: string): SampleSpec => ({ of: 'tap', layer: name, reduce });
    return { student: spec(layer), other: spec(otherLayer) };
  });
  return { student: pairs.map(({ student }) => student), other: pairs.map(({ other }) => other), adapters: [] };
}

/** The map of this layer. Throws `model.invalid` for a layer that puts out no map. */
export function checkMap(layer: string, shape: readonly number[]): MapShape {
  const [height, width, channels] = shape;
  if (shape.length === 3 && height !== undefined && width !== undefined && channels !== undefined)
    return { layer, height, width, channels };
  throw new StillhouseError('model.invalid', `the loss takes feature maps, and the layer "${layer}" puts out [${shape.join(', ')}]`, {
    hint: 'Tap a convolution, or a layer right after one, whose output has height, width and channels',
  });
}
