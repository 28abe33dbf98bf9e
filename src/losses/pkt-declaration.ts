/**
 * The declaration of probabilistic knowledge transfer; its arithmetic is in pkt.ts. Maps are averaged over their places before they
 * travel.
 */

import type { LossDeclaration } from './loss-declaration.js';
import { needsOfRelation } from './relation-need.js';

export const pktDeclaration: LossDeclaration = {
  paper: 'Passalis & Tefas, arXiv 1803.10837',
  weight: 30000,
  knobs: {},
  constants: {
    /** 0: the cosine kernel. Above: the Gaussian kernel of this width, in units of the mean squared distance of the batch's pairs. */
    width: { default: 0, min: 0 },
  },
  takesTaps: true,
  takesOther: true,
  over: 'batch',
  needs: (settings, shapes) => needsOfRelation(settings, shapes, { name: 'pool', options: {} }),
};
