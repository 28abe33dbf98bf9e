/**
 * The declaration of neuron selectivity transfer; its arithmetic is in nst.ts. The kernel's means can be computed from each model's
 * maps or from their Gram matrices over the places, so the teacher sends the smaller of the two: N C or N^2 numbers for N places of
 * the smaller map and C channels of the teacher's.
 */

import type { LossDeclaration } from './loss-declaration.js';
import { needsOfMaps } from './map-pair.js';

export const nstDeclaration: LossDeclaration = {
  paper: 'Huang & Wang, arXiv 1707.01219',
  weight: 50,
  knobs: {},
  constants: {},
  takesTaps: true,
  takesOther: true,
  needs: (settings, shapes) =>
    needsOfMaps(settings, shapes, ({ other, height, width }) => {
      const name = height * width <= other.channels ? 'place-gram' : 'unit-channels';
      return { name, options: { height, width } };
    }),
};
