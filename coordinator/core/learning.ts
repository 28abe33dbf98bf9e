/** The training of each peer since its last evaluation, added up from the reports of its replicas. Pure. */

import { present } from '../../src/base/assert.js';
import type { TrainingFacts } from '../../src/protocol/report.js';
import { type Grid, peersOf, rowOf } from './grid.js';

interface Learned {
  readonly samples: number;
  /** The parts of the loss by key, summed over the samples. */
  readonly terms: Readonly<Record<string, number>>;
  /** The lengths of their gradients, as they were measured last; empty where none was measured. */
  readonly gradients: Readonly<Record<string, number>>;
  /** Null where the loss does not take a teacher's logits. */
  readonly sameAsTeacher: number | null;
}

/** By peer. */
export type Learning = Readonly<Record<string, Learned>>;

/** The training of before, and that of a grid whose cells have all trained. */
export function addRound(before: Learning, grid: Grid): Learning {
  const sums = peersOf(grid).map((peer): [string, Learned] => {
    const reports = rowOf(grid, peer).map(({ trained }) => present(trained, 'a contributor that has not trained'));
    return [peer, reports.reduce(add, before[peer] ?? { samples: 0, terms: {}, gradients: {}, sameAsTeacher: null })];
  });
  return Object.fromEntries(sums);
}

function add(sum: Learned, { samples, terms, gradients, sameAsTeacher }: Learned): Learned {
  return {
    samples: sum.samples + samples,
    terms: Object.fromEntries(Object.entries(terms).map(([key, term]) => [key, (sum.terms[key] ?? 0) + term])),
    gradients: Object.keys(gradients).length === 0 ? sum.gradients : gradients,
    sameAsTeacher: sameAsTeacher === null ? sum.sameAsTeacher : (sum.sameAsTeacher ?? 0) + sameAsTeacher,
  };
}

/** The facts for people; null where nothing was trained. */
export function factsOf(learned: Learned | undefined): TrainingFacts | null {
  if (learned === undefined || learned.samples === 0) return null;
  const { samples, terms, gradients, sameAsTeacher } = learned;
  const whole = Object.values(gradients).reduce((sum, length) => sum + length, 0);
  const shareOf = (key: string) => (whole > 0 && gradients[key] !== undefined ? gradients[key] / whole : null);
  return {
    terms: Object.fromEntries(Object.entries(terms).map(([key, sum]) => [key, { loss: sum / samples, share: shareOf(key) }])),
    sameAsTeacher: sameAsTeacher === null ? null : sameAsTeacher / samples,
  };
}
