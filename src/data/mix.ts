/**
 * Images that are mixed of two: MixUp (Zhang et al., arXiv 1710.09412) blends them, CutMix (Yun et al., arXiv 1905.04899) pastes a box of the second
 * into the first. A pure function of (seed, epoch, sample), so that a teacher and a student that name the same view see the same pixels. The
 * second image is any other one of the split, where the papers take one of the batch: a view must not depend on the batch that it is in.
 *
 * A change of the draws changes every run's pixels: golden values in the tests hold them.
 */

import { randomBeta } from 'd3-random';
import { hashString, Prng } from '../base/prng.js';
import type { AugmentRecipe } from '../config/schema.js';
import type { Box } from './image/resample.js';
import { type ImageShape, labelOf, type SampleStore } from './sample-source.js';

/** The second image of a sample's view, and its part in it. */
export interface Mix {
  /** The sample whose view of the same epoch is the second image. */
  readonly second: number;
  /** The first image's share of the view and of the label, from 0 to 1; of a pasted box, that of the area outside of it. */
  readonly share: number;
  /** The places that show the second image; null where the two are blended. */
  readonly box: Box | null;
}

/** A view, of which the label of a mixed image depends on these alone. */
export interface MixView {
  readonly seed: number;
  readonly epoch: number;
  readonly augment: AugmentRecipe | null;
}

/** The classes of mixed images. */
export interface MixedLabels {
  /** [B]: the class of the second image. */
  readonly second: Int32Array;
  /** [B]: the share of the first. */
  readonly share: Float32Array;
}

type MixShape = Pick<ImageShape, 'height' | 'width'> & { readonly count: number };

const STREAM = hashString('mix');

/** The mixes of a view's samples; null where the view has none, or the split no second sample. */
export function mixesOf({ augment, seed, epoch }: MixView, shape: MixShape): ((sample: number) => Mix) | null {
  const { mixUp, cutMix } = augment ?? {};
  if ((mixUp === undefined && cutMix === undefined) || shape.count < 2) return null;
  return (sample) => {
    const draws = new Prng(STREAM, seed, epoch, sample);
    const other = draws.below(shape.count - 1);
    const second = other < sample ? other : other + 1;
    // With both, each of the two with a chance of one half.
    const isBlend = cutMix === undefined || (mixUp !== undefined && draws.below(2) === 0);
    const alpha = (isBlend ? mixUp : cutMix) as number;
    const share = randomBeta.source(() => draws.uniform())(alpha, alpha)();
    if (isBlend) return { second, share: Math.fround(share), box: null };
    const box = boxOf(shape, share, draws);
    return { second, share: Math.fround(1 - (box.height * box.width) / (shape.height * shape.width)), box };
  };
}

/** A box of 1 - share of the area and of the image's proportions, around a place at random, as far as it is in the image. */
function boxOf({ height, width }: MixShape, share: number, draws: Prng): Box {
  const half = 0.5 * Math.sqrt(1 - share);
  const [rows, columns] = [Math.trunc(half * height), Math.trunc(half * width)];
  const [row, column] = [draws.below(height), draws.below(width)];
  const [top, bottom] = [Math.max(0, row - rows), Math.min(height, row + rows)];
  const [left, right] = [Math.max(0, column - columns), Math.min(width, column + columns)];
  return { top, left, height: bottom - top, width: right - left };
}

/** The classes and shares of the samples' views; null where the view mixes none. */
export function mixedLabels(store: SampleStore, view: MixView, samples: Int32Array): MixedLabels | null {
  const mixOf = mixesOf(view, store);
  if (mixOf === null) return null;
  const mixes = Array.from(samples, mixOf);
  return {
    second: Int32Array.from(mixes, ({ second }) => labelOf(store, second)),
    share: Float32Array.from(mixes, ({ share }) => share),
  };
}

/** The samples whose images a batch of these shows: they themselves, and the second one of each image that is mixed. */
export function shownSamples(store: SampleStore, view: MixView, samples: Int32Array): Int32Array {
  const mixOf = mixesOf(view, store);
  return mixOf === null ? samples : Int32Array.of(...samples, ...Array.from(samples, (sample) => mixOf(sample).second));
}
