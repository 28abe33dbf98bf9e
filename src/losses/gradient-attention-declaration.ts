/**
 * The declaration of attention transfer by gradients; its arithmetic is in gradient-attention.ts. The teacher sends the gradient of its own
 * cross-entropy by the images: as many numbers as an image has.
 */

import type { SampleSpec } from '../tensor/knowledge.js';
import type { LossDeclaration } from './loss-declaration.js';

const INPUT_GRADIENT: SampleSpec = { of: 'input-gradient' };

export const gradientAttentionDeclaration: LossDeclaration = {
  paper: 'Zagoruyko & Komodakis, arXiv 1612.03928',
  weight: 1,
  knobs: {},
  constants: {},
  takesTaps: false,
  takesOther: true,
  needs: () => ({ student: [INPUT_GRADIENT], other: [INPUT_GRADIENT], adapters: [] }),
};
