/**
 * The crop and the flip of one sample: a pure function of (seed, epoch, sample). So a teacher and a student that name the
 * same view see the same pixels, in any batch.
 *
 * A change of the draws changes every run's pixels: golden values in the tests hold them.
 */

import { hashString, Prng } from '../base/prng.js';
import type { AugmentRecipe } from '../config/schema.js';

/** Output pixel (y, x) is input pixel (y + down, x + right), black where that is outside; then mirrored if `flip`. */
export interface Placement {
  /** In pixels, from -cropPadding to cropPadding. */
  readonly down: number;
  readonly right: number;
  /** Whether left and right change places, after the crop. */
  readonly flip: boolean;
}

export const UNMOVED: Placement = { down: 0, right: 0, flip: false };

const STREAM = hashString('augment');

/** The crop and flip of a sample in an epoch. */
export function placementOf(augment: AugmentRecipe, { seed, epoch }: { seed: number; epoch: number }, sample: number): Placement {
  const { cropPadding, flip } = augment;
  const draws = new Prng(STREAM, seed, epoch, sample);
  const down = draws.below(2 * cropPadding + 1) - cropPadding;
  const right = draws.below(2 * cropPadding + 1) - cropPadding;
  return { down, right, flip: draws.below(2) === 1 && flip };
}
