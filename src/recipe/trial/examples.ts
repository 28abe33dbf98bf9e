/** The samples of a split that a trial takes. Pure. */

/** The samples of a step. */
export const BATCH = 2;
/** The most steps of a model: one is enough, unless a layer has no gradient in it. */
export const STEPS_MAX = 3;

/** The places of samples for all steps in a split of so many: each step takes the next `BATCH` of them. Those of a step lie far apart, because files may be sorted by class. */
export function examplePlaces(count: number): readonly number[] {
  return Array.from({ length: STEPS_MAX * BATCH }, (_, i) => {
    const [step, within] = [Math.floor(i / BATCH), i % BATCH];
    return Math.floor(((step + within * STEPS_MAX) * count) / (STEPS_MAX * BATCH));
  });
}
