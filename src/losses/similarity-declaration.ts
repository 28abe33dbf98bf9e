/**
 * The declaration of the similarity-preserving loss; its arithmetic is in similarity.ts. The other side gives the similarities of the batch, B^2
 * numbers whatever the layer. Those of a gathered batch are also between samples of different students: for it the features travel.
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
  needs(settings, shapes) {
    const needs = needsOfRelation(settings, shapes, null);
    if (settings.isGathered === true) return needs;
    return { ...needs, other: settings.taps.map(([, layer]) => ({ of: 'similarity', layer })) };
  },
};
