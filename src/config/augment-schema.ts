/** The part of a recipe's schema about augmentation. */

import { z } from 'zod';
import { MAGNITUDE_MAX } from '../base/magnitude.js';
import { positive } from './schema-scalar.js';

/** Two numbers, the second not below the first. */
const range = (number: z.ZodNumber) =>
  z.tuple([number, number]).refine(([least, most]) => least <= most, 'two numbers, the smaller one first');

/** The random part of an image: its share of the area, and its width over its height. Defaults: those of torchvision. */
const resizedCrop = z.strictObject({
  scale: range(positive.max(1)).default([0.08, 1]),
  ratio: range(positive).default([3 / 4, 4 / 3]),
});

const width = z.number().min(0).max(10).default(0);

/** Each change of colours is by a factor within 1 - number and 1 + number, and the hue turns by at most its share of the circle. */
const colorJitter = z.strictObject({ brightness: width, contrast: width, saturation: width, hue: z.number().min(0).max(0.5).default(0) });

/** Changes at random of a list, all of one magnitude (RandAugment). Defaults: those of torchvision. */
const randAugment = z.strictObject({
  operations: z.int().min(1).max(16).default(2),
  magnitude: z.int().min(0).max(MAGNITUDE_MAX).default(9),
});

/** The random changes that a stage makes of its images, before it trains on them. */
export const augment = z.strictObject({
  /** The number of zero pixels (before normalising) added on each side before a random crop to the old size; 0 for no crop. */
  cropPadding: z.int().min(0).max(64).default(0),
  /** Whether each image is mirrored left to right with a chance of one half. */
  flip: z.boolean().default(false),
  /** A part of each image at random, resized to the whole image. */
  resizedCrop: resizedCrop.optional(),
  colorJitter: colorJitter.optional(),
  randAugment: randAugment.optional(),
  /** Each image is blended with another one (MixUp); the number is the alpha of the Beta distribution of its share. */
  mixUp: positive.max(100).optional(),
  /** A box of another image is pasted into each (CutMix), of an area by the same distribution. With both, an image has one of the two. */
  cutMix: positive.max(100).optional(),
});

/** A stage's augmentation, complete. */
export type AugmentRecipe = z.infer<typeof augment>;
