/** Calls of losses over relations, for their tests: features of both models, maps or vectors, by pairs; and features of extreme size. */

import type { Prng } from '../../src/base/prng.js';
import type { LossCase } from './loss-suite.js';
import { type Plain, rows, somePlain } from './plain-tensor.js';
import { pooledAt } from './pooling-reference.js';

/** The shapes of the student's and of the teacher's features, without the batch. */
export type FeaturePair = readonly [own: readonly number[], teacher: readonly number[]];

/** Features of these shapes. */
export function someFeatures(pairs: readonly FeaturePair[], more: Partial<LossCase> = {}): (random: Prng, size: number) => LossCase {
  return (random, size) => ({
    classes: 2,
    labels: Array.from({ length: size }, () => 0),
    student: pairs.map(([own]) => somePlain(random, [size, ...own])),
    other: pairs.map(([, teacher]) => somePlain(random, [size, ...teacher])),
    ...more,
  });
}

/** The features of each sample in one list. */
export function flattened({ shape: [size = 1], data }: Plain): number[][] {
  return rows({ shape: [size, data.length / size], data });
}

/** The average of each channel of each map; a vector as it is. */
export function averaged(features: Plain): number[][] {
  const [size = 0, , , channels = 0] = features.shape;
  if (features.shape.length === 2) return rows(features);
  const mean = pooledAt(features, { height: 1, width: 1 });
  return Array.from({ length: size }, (_, b) => Array.from({ length: channels }, (__, c) => mean(b, 0, 0, c)));
}

const filled = (size: number, value: (i: number) => number): Plain => ({
  shape: [size, 3],
  data: Array.from({ length: 3 * size }, (_, i) => value(i)),
});
const extreme = (own: Plain, teacher: Plain): LossCase => ({
  classes: 2,
  labels: Array.from({ length: own.shape[0] ?? 0 }, () => 0),
  student: [own],
  other: [teacher],
});
const some = (i: number): number => ((i * 7) % 5) - 2;

/** Vectors of extreme size, batches of one and two, and samples that are equal. */
export const EXTREME_FEATURES: Readonly<Record<string, LossCase>> = {
  'features of 1e15': extreme(
    filled(4, (i) => some(i) * 1e15),
    filled(4, (i) => some(i + 1) * -1e15),
  ),
  'tiny features': extreme(
    filled(4, (i) => some(i) * 1e-15),
    filled(4, (i) => some(i + 1) * 1e-15),
  ),
  'a student of zeros': extreme(
    filled(4, () => 0),
    filled(4, some),
  ),
  'a teacher of zeros': extreme(
    filled(4, some),
    filled(4, () => 0),
  ),
  'one sample of zeros': extreme(
    filled(4, (i) => (i < 3 ? 0 : some(i))),
    filled(4, (i) => (i > 8 ? 0 : some(i))),
  ),
  'equal samples': extreme(
    filled(4, (i) => (i % 3) + 1),
    filled(4, some),
  ),
  'a teacher that sees no difference': extreme(
    filled(4, some),
    filled(4, (i) => (i % 3) + 1),
  ),
  'two equal samples among others': extreme(
    filled(4, (i) => some(i % 9)),
    filled(4, (i) => some((i + 3) % 9)),
  ),
  'opposite samples': extreme(
    filled(2, (i) => (i < 3 ? 1 : -1)),
    filled(2, (i) => (i < 3 ? -1 : 1)),
  ),
  'one sample': extreme(filled(1, some), filled(1, some)),
  'one sample of nothing': extreme(
    filled(1, () => 0),
    filled(1, () => 0),
  ),
};
