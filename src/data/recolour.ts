/**
 * Random changes of a sample's colours and, in RandAugment, of its geometry: a pure function of (seed, epoch, sample), so that a teacher and a
 * student that name the same view see the same pixels. Both have torchvision's ranges and, for the same numbers, its pixels.
 *
 * A change of the draws changes every run's pixels: golden values in the tests hold them.
 */

import { assertNever } from '../base/assert.js';
import { MAGNITUDE_MAX } from '../base/magnitude.js';
import { hashString, Prng } from '../base/prng.js';
import type { AugmentRecipe } from '../config/schema.js';
import { rotation, shearX, shearY, transform, translation } from './image/affine.js';
import {
  autocontrast,
  type Bitmap,
  brightness,
  contrast,
  equalise,
  posterise,
  saturation,
  sharpness,
  solarise,
  turnHue,
} from './image/enhance.js';

interface RecolourView {
  readonly seed: number;
  readonly epoch: number;
  readonly augment: AugmentRecipe | null;
}

const JITTER_STREAM = hashString('color-jitter');
const RAND_STREAM = hashString('rand-augment');

/** Changes the image of a sample in place, as the view says: first the jitter, then RandAugment. Null where the view changes no colours. */
export function recolouring({ augment, seed, epoch }: RecolourView): ((image: Bitmap, sample: number) => void) | null {
  const { colorJitter, randAugment } = augment ?? {};
  if (colorJitter === undefined && randAugment === undefined) return null;
  return (image, sample) => {
    if (colorJitter !== undefined) jitter(image, colorJitter, new Prng(JITTER_STREAM, seed, epoch, sample));
    if (randAugment === undefined) return;
    const draws = new Prng(RAND_STREAM, seed, epoch, sample);
    for (let i = 0; i < randAugment.operations; i++) {
      const name = RAND_OPERATIONS[draws.below(RAND_OPERATIONS.length)] as RandOperation;
      applyOperation(image, { name, magnitude: randAugment.magnitude, sign: draws.below(2) === 0 ? 1 : -1 });
    }
  };
}

type Jitter = NonNullable<AugmentRecipe['colorJitter']>;
const JITTERS = ['brightness', 'contrast', 'saturation', 'hue'] as const;

/** The four changes in an order at random, each by a factor within 1 - number and 1 + number, the hue by a turn within its number. */
function jitter(image: Bitmap, widths: Jitter, draws: Prng): void {
  const factor = (width: number) => Math.max(0, 1 - width) + draws.uniform() * (1 + width - Math.max(0, 1 - width));
  const factors = {
    brightness: factor(widths.brightness),
    contrast: factor(widths.contrast),
    saturation: factor(widths.saturation),
    hue: widths.hue * (2 * draws.uniform() - 1),
  };
  const rest = [...JITTERS];
  while (rest.length > 0) {
    const [name] = rest.splice(draws.below(rest.length), 1);
    if (name === undefined || widths[name] === 0) continue;
    if (name === 'hue') turnHue(image, factors.hue);
    else ENHANCEMENTS[name](image, factors[name]);
  }
}

const ENHANCEMENTS = { brightness, contrast, saturation, sharpness } as const;

/** The operations of RandAugment (Cubuk et al., arXiv 1909.13719), as torchvision has them. */
export const RAND_OPERATIONS = [
  'identity',
  'shearX',
  'shearY',
  'translateX',
  'translateY',
  'rotate',
  'brightness',
  'saturation',
  'contrast',
  'sharpness',
  'posterise',
  'solarise',
  'autocontrast',
  'equalise',
] as const;
export type RandOperation = (typeof RAND_OPERATIONS)[number];

export interface RandChange {
  readonly name: RandOperation;
  /** From 0 to MAGNITUDE_MAX. */
  readonly magnitude: number;
  /** The direction of a change that has two. */
  readonly sign: 1 | -1;
}

/** Makes one change of RandAugment in place. */
export function applyOperation(image: Bitmap, { name, magnitude, sign }: RandChange): void {
  const part = magnitude / MAGNITUDE_MAX;
  const farthest = 150 / 331;
  switch (name) {
    case 'identity':
      return;
    case 'shearX':
      return transform(image, shearX(sign * part * 0.3));
    case 'shearY':
      return transform(image, shearY(sign * part * 0.3));
    case 'translateX':
      return transform(image, translation(sign * Math.trunc(part * farthest * image.width), 0));
    case 'translateY':
      return transform(image, translation(0, sign * Math.trunc(part * farthest * image.height)));
    case 'rotate':
      return transform(image, rotation(image, sign * part * 30));
    case 'brightness':
    case 'saturation':
    case 'contrast':
    case 'sharpness':
      return ENHANCEMENTS[name](image, 1 + sign * part * 0.9);
    case 'posterise':
      return posterise(image, 8 - Math.round(part * 4));
    case 'solarise':
      return solarise(image, 255 * (1 - part));
    case 'autocontrast':
      return autocontrast(image);
    case 'equalise':
      return equalise(image);
    default:
      return assertNever(name, 'operation');
  }
}
