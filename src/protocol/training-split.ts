/**
 * The images that a trained model has learned from, as the metadata of an export and the folder of a run keep them: so that a later run can
 * say whether it tests the model on them.
 */

import { z } from 'zod';
import { field } from './field.js';

/** In the metadata of an export. */
export const trainingSplitSchema = z.object({
  /** The stage that trained on them, and the name of its run. */
  run: z.string(),
  stage: z.string(),
  /** The fingerprint of the split (src/data/fingerprint.ts); null where an old run kept none. */
  fingerprint: field.hash.nullable(),
  /** How they are read from the data set's files; `to` is null where that is the end. */
  format: z.string(),
  labels: z.string(),
  part: z.string(),
  from: field.count,
  to: field.count.nullable(),
});
export type TrainingSplit = z.infer<typeof trainingSplitSchema>;

/** In the folder of a run that was given the model. */
export const givenSplitSchema = trainingSplitSchema.extend({
  /** The places where the data may lie, the likeliest first. */
  paths: z.array(z.string()),
  /** By split of the run that was given the model: the number of its images that are among them. Without those of which it is not known. */
  common: z.record(z.string(), field.count),
});
export type GivenSplit = z.infer<typeof givenSplitSchema>;

/**
 * By stage `load`: the images that its model, and each that this has learned from, was trained on; those of the model itself come first. A
 * stage is left out where nothing is known.
 */
export type GivenTraining = Readonly<Record<string, readonly GivenSplit[]>>;
export const givenTrainingSchema = z.record(z.string(), z.array(givenSplitSchema)) satisfies z.ZodType<GivenTraining>;
