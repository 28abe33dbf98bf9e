/** Losses over the batch in stages whose batch is divided among students, or too small to compare anything. Pure. */

import { catalogueEntry } from '../losses/catalogue.js';
import type { WorkSize } from './work-size.js';

/** All warnings of this file. `overBatch` has the names of losses over the batch of each student, by stage. */
export function relationWarnings(overBatch: Readonly<Record<string, readonly string[]>>, work: readonly WorkSize[]): readonly string[] {
  return [...dividedRelations(overBatch, work), ...smallRelations(overBatch, work)];
}

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

/** A warning for each loss over the batch in a stage whose students have fewer images in a step than it can compare. */
export function smallRelations(overBatch: Readonly<Record<string, readonly string[]>>, work: readonly WorkSize[]): readonly string[] {
  return work.flatMap(({ stage, columns, imagesPerStep }) =>
    (overBatch[stage] ?? []).flatMap((name) => {
      const own = Math.floor(imagesPerStep / columns);
      const fewest = fewestOf(name);
      if (own >= fewest) return [];
      const images = own === 1 ? '1 image' : `${own} images`;
      return [
        `${stage}: the loss ${name} compares the images of a batch, ${fewest} or more, and a step of a student has ${images}: ` +
          'the term is 0 and teaches nothing; give a larger batch',
      ];
    }),
  );
}

/** The images that the loss of this name, or of a user's module, needs in a batch. */
function fewestOf(name: string): number {
  const entry = catalogueEntry(name);
  return (typeof entry === 'string' ? undefined : entry.declaration.fewest) ?? 2;
}
