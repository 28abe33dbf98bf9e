/** The declaration of decoupled distillation; its arithmetic is in dkd.ts. */

import { LOGITS_SPEC } from '../tensor/knowledge.js';
import type { LossDeclaration } from './loss-declaration.js';

export const dkdDeclaration: LossDeclaration = {
  paper: 'Zhao et al., arXiv 2203.08679',
  // The paper's warm-up: min(epoch / 20, 1).
  weight: { schedule: 'linear', from: 0, to: 1, epochs: 20 },
  knobs: {
    /** The weight of TCKD: the label's class against the others. */
    alpha: { default: 1, min: 0 },
    /** The weight of NCKD: the other classes among each other. */
    beta: { default: 8, min: 0 },
    temperature: { default: 4, above: 0 },
  },
  constants: {},
  takesTaps: false,
  takesOther: true,
  needs: () => ({ student: [LOGITS_SPEC], other: [LOGITS_SPEC], adapters: [] }),
};
