/**
 * The declaration of the similarity-preserving loss; its arithmetic is in similarity.ts. A map travels whole, because the similarity of
 * two samples is that of their flattened maps: tap a small layer.
 */

import type { LossDeclaration } from './loss-declaration.js';
import { needsOfRelation } from './relation-need.js';

export const similarityDeclaration: LossDeclaration = {
  paper: 'Tung & Mori, arXiv 1907.09682',
  weight: 3000,
  knobs: {},
  constants: {},
  takesTaps: true,
  takesOther: true,
  over: 'batch',
  needs: (settings, shapes) => needsOfRelation(settings, shapes, null),
};
