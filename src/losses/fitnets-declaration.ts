/**
 * The declaration of the hints of FitNets; its arithmetic is in fitnets.ts. The rule of adapter-rule.ts brings each pair of taps to one
 * shape, with a regressor also where the widths are equal: 4 H W C bytes of an image travel, for the smaller size and the teacher's channels.
 */

import { needsOfAdapted } from './adapter-rule.js';
import type { LossDeclaration } from './loss-declaration.js';

export const fitnetsDeclaration: LossDeclaration = {
  paper: 'Romero et al., arXiv 1412.6550; the weight is that of Tian et al., arXiv 1910.10699',
  weight: 100,
  knobs: {},
  constants: {},
  takesTaps: true,
  takesOther: true,
  needs: (settings, shapes) => needsOfAdapted(settings, shapes, 'always'),
};
