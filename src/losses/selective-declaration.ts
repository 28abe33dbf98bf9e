/**
 * The declarations of the selective soft terms, which weigh each sample; their arithmetic is in selective.ts. Each has a name of its
 * own, so that each has only the numbers that it uses.
 */

import { LOGITS_SPEC } from '../tensor/knowledge.js';
import type { KnobDeclaration, LossDeclaration } from './loss-declaration.js';

const response = {
  constants: {},
  takesTaps: false,
  takesOther: true,
  needs: () => ({ student: [LOGITS_SPEC], other: [LOGITS_SPEC], adapters: [] }),
} satisfies Partial<LossDeclaration>;

/** The soft term with the weights of Zhou et al. The defaults are those of the authors' code for ImageNet. */
export const weightedDeclaration: LossDeclaration = {
  ...response,
  paper: 'Zhou et al., arXiv 2102.00650',
  weight: 2.5,
  knobs: { temperature: { default: 2, above: 0 } },
};

/** The soft term of the samples that the teacher gets right. */
export const rightDeclaration: LossDeclaration = chosen({});

/** The soft term of the samples about which the teacher's distribution has little entropy. */
export const lowEntropyDeclaration: LossDeclaration = chosen({
  /** The most entropy of a sample that is kept, as a share of the most that there can be, log K. */
  entropy: { default: 0.5, min: 0, max: 1 },
});

/** The soft term of the samples of which the teacher prefers one class clearly. */
export const wideMarginDeclaration: LossDeclaration = chosen({
  /** The least difference between the two largest probabilities of a sample that is kept. */
  margin: { default: 0.5, min: 0, max: 1 },
});

function chosen(threshold: Readonly<Record<string, KnobDeclaration>>): LossDeclaration {
  return {
    ...response,
    paper: 'Hinton, Vinyals & Dean, arXiv 1503.02531, for a part of the samples',
    weight: 0.9,
    knobs: { temperature: { default: 4, above: 0 }, ...threshold },
  };
}
