/**
 * The images of a step, as a stage's `batch` gives them. A step is made by all columns at the same time: students that train
 * other images, and average. Pure.
 */

import type { TrainingStage } from './schema.js';

/** A number: the images of a step of each column. `global`: those of a step of all columns together, however many there are. */
export type Batch = TrainingStage['batch'];

/** One column among those of a round, by its index from 0. */
export interface ColumnPlace {
  readonly column: number;
  readonly columns: number;
}

/** The images of a step of all columns together. */
export function imagesPerStep(batch: Batch, columns: number): number {
  return typeof batch === 'number' ? batch * columns : batch.global;
}

/** The images of a whole step of one column. */
export function columnBatch(batch: Batch, { column, columns }: ColumnPlace): number {
  return shareOut(imagesPerStep(batch, columns), columns)[column] ?? 0;
}

/** The most images that a step of one column may have, with any number of columns. */
export function columnBatchMax(batch: Batch): number {
  return columnBatch(batch, { column: 0, columns: 1 });
}

/** The most columns that all have an image in a whole step. */
export function columnsMaxOf(batch: Batch): number {
  return typeof batch === 'number' ? Number.POSITIVE_INFINITY : batch.global;
}

/**
 * The images of each column in a round of `total` images, which has steps of `perStep` images and a smaller one at the end: each step is
 * shared out as evenly as whole numbers allow.
 */
export function shareSteps(total: number, perStep: number, columns: number): readonly number[] {
  const steps = Math.floor(total / perStep);
  const whole = shareOut(perStep, columns);
  const rest = shareOut(total - steps * perStep, columns);
  return whole.map((images, column) => steps * images + (rest[column] ?? 0));
}

/** Whole numbers that add up to `total` and differ by at most one, the larger ones first. No part of a smaller total is larger. */
export function shareOut(total: number, parts: number): readonly number[] {
  return Array.from({ length: parts }, (_, part) => Math.floor(total / parts) + (part < total % parts ? 1 : 0));
}

/** Whether a loss of the stage is over the batch of all columns together (`batch: gathered` in a term). All of them then make a step, or none does. */
export function gathersBatch({ loss }: Pick<TrainingStage, 'loss'>): boolean {
  return 'terms' in loss && loss.terms.some(({ batch }) => batch === 'gathered');
}
