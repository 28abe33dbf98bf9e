/**
 * The declaration of relational knowledge distillation; its arithmetic is in rkd.ts. Maps are averaged over their places before they
 * travel.
 */

import type { LossDeclaration } from './loss-declaration.js';
import { needsOfRelation } from './relation-need.js';

export const rkdDeclaration: LossDeclaration = {
  paper: 'Park et al., arXiv 1904.05068',
  weight: 1,
  knobs: {
    /** The weight of the distances of pairs. */
    distance: { default: 25, min: 0 },
    /** The weight of the angles of triplets. */
    angle: { default: 50, min: 0 },
  },
  constants: {},
  takesTaps: true,
  takesOther: true,
  over: 'batch',
  // The one distance of two images is divided by itself, and an angle is of three.
  fewest: 3,
  needs: (settings, shapes) => needsOfRelation(settings, shapes, { name: 'pool', options: {} }),
};
