/**
 * The declaration of contrastive representation distillation; its arithmetic is in crd.ts. Maps are averaged over their places before
 * they travel; the embedding of the teacher's side is made in the student, because it is trained.
 */

import type { AdapterSpec, LossDeclaration, MemorySpec } from './loss-declaration.js';
import { needsOfRelation } from './relation-need.js';

/** The sides of a pair of taps. */
export const CRD_SIDES = ['student', 'teacher'] as const;
export type CrdSide = (typeof CRD_SIDES)[number];

/** The names of what a pair of taps trains and keeps on one side, the first pair being 0. */
export function crdNames(pair: number, side: CrdSide): Readonly<Record<'kernel' | 'bias' | 'rows' | 'z', string>> {
  const start = `pair${pair + 1}-${side}`;
  return { kernel: `${start}-kernel`, bias: `${start}-bias`, rows: `${start}-rows`, z: `${start}-z` };
}

export const crdDeclaration: LossDeclaration = {
  paper: 'Tian et al., arXiv 1910.10699',
  weight: 0.8,
  knobs: {},
  constants: {
    /** K, the other samples that each sample is contrasted with. */
    negatives: { default: 16384, min: 1, whole: true },
    // Z is fixed by the first steps, and belongs to one temperature. Below the least, exp(1 / T) is too much for float32.
    temperature: { default: 0.07, min: 0.02 },
    /** The share of the old row in the new one. */
    momentum: { default: 0.5, min: 0, max: 1 },
    /** The elements of an embedding. */
    width: { default: 128, min: 1, whole: true },
  },
  takesTaps: true,
  takesOther: true,
  needs(settings, shapes) {
    const { student, other } = needsOfRelation(settings, shapes, { name: 'pool', options: {} });
    const { negatives, width = 0 } = settings.constants;
    const pairs = settings.taps.map((pair, i) =>
      CRD_SIDES.map((side, at) => {
        const shape = at === 0 ? shapes.student(pair[0]) : shapes.other(pair[1]);
        const names = crdNames(i, side);
        const adapters: AdapterSpec[] = [
          { name: names.kernel, shape: [shape.at(-1) ?? 0, width], initial: 'kaiming', decays: true },
          { name: names.bias, shape: [width], initial: 0, decays: false },
        ];
        const memory: MemorySpec[] = [
          { name: names.rows, width },
          { name: names.z, width: null },
        ];
        return { adapters, memory };
      }),
    );
    const sides = pairs.flat();
    return {
      student,
      other,
      adapters: sides.flatMap(({ adapters }) => adapters),
      memory: sides.flatMap(({ memory }) => memory),
      draws: negatives,
    };
  },
};
