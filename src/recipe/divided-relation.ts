/** Losses over the batch in stages whose batch is divided among students. Pure. */

import type { WorkSize } from './work-size.js';

/**
 * A warning for each stage whose students divide a batch (`batch: { global }`) that a loss compares as a whole. `overBatch` has the
 * names of such losses by stage.
 */
export function dividedRelations(overBatch: Readonly<Record<string, readonly string[]>>, work: readonly WorkSize[]): readonly string[] {
  return work.flatMap(({ stage, columns, imagesPerStep, isGlobal }) => {
    const names = overBatch[stage];
    if (names === undefined || !isGlobal || columns === 1) return [];
    const [which, compare] = names.length === 1 ? ['the loss', 'compares'] : ['the losses', 'compare'];
    const own = Math.ceil(imagesPerStep / columns);
    return [
      `${stage}: ${which} ${names.join(', ')} ${compare} the images of a batch, and each of ${columns} students compares its own ${own} of ` +
        `${imagesPerStep} alone, so the model learns otherwise than with one student; with every: 1, batch: gathered in the term compares all`,
    ];
  });
}
