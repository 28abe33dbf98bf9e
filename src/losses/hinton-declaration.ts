/** The declaration of Hinton's soft term; its arithmetic is in hinton.ts. */

import { LOGITS_SPEC } from '../tensor/knowledge.js';
import type { LossDeclaration } from './loss-declaration.js';

export const hintonDeclaration: LossDeclaration = {
  paper: 'Hinton, Vinyals & Dean, arXiv 1503.02531',
  weight: 0.9,
  knobs: { temperature: { default: 4, above: 0 } },
  constants: {},
  takesTaps: false,
  takesOther: true,
  needs: () => ({ student: [LOGITS_SPEC], other: [LOGITS_SPEC], adapters: [] }),
};
