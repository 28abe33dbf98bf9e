/**
 * The needs of a loss over relations: each side of a pair is a feature map or a vector for each sample, and the two sides may have
 * different widths, because only relations among the samples are compared. Plain TypeScript without tfjs, for declarations.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ReductionSpec, SampleSpec } from '../tensor/knowledge.js';
import type { TapShapes, TermNeeds, TermSettings } from './loss-declaration.js';

/**
 * The taps of both sides: a vector [K] as it is, a feature map [H, W, C] with `ofMap`. Throws `model.invalid` for a layer that puts
 * out anything else.
 */
export function needsOfRelation({ taps }: Pick<TermSettings, 'taps'>, shapes: TapShapes, ofMap: ReductionSpec | null): TermNeeds {
  const spec = (layer: string, shape: readonly number[]): SampleSpec => {
    if (shape.length === 1) return { of: 'tap', layer, reduce: null };
    if (shape.length === 3) return { of: 'tap', layer, reduce: ofMap };
    throw new StillhouseError(
      'model.invalid',
      `the loss takes feature maps and vectors, and the layer "${layer}" puts out [${shape.join(', ')}]`,
      { hint: 'Tap a convolution, a pooling or a dense layer' },
    );
  };
  return {
    student: taps.map(([layer]) => spec(layer, shapes.student(layer))),
    other: taps.map(([, layer]) => spec(layer, shapes.other(layer))),
    adapters: [],
  };
}
