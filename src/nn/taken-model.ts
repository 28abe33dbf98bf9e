/** Takes a trained model apart into what a run needs of it, and holds it against the contract. The model itself is not kept. */

import { checkContract } from './contract.js';
import { type DescribedModel, openDescribedModel, topologyOf } from './model-topology.js';
import { openSavedModel } from './saved-model.js';
import { arenaSchemaOf, disposeModel, readArena } from './weights.js';

/** A model that somebody has saved, by its path (saved-model.ts); or one from a checkpoint. */
export type ModelSource = { readonly saved: string } | { readonly described: DescribedModel };

interface TakenModel {
  /** As a checkpoint keeps it. */
  readonly topology: Uint8Array;
  /** The arena of the model. */
  readonly parameters: Float32Array;
  /** The hash of the arena's schema. */
  readonly schema: string;
  /** The metadata that it was saved with. */
  readonly metadata: unknown;
}

/** The data that the model is to fit. */
interface FittingData {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
}

/** Opens and checks the model; an engine must be open. Throws `model.invalid` when it cannot be opened, or does not fit the data. */
export async function takeModel(source: ModelSource, { height, width, channels, classes }: FittingData): Promise<TakenModel> {
  const model = 'saved' in source ? await openSavedModel(source.saved) : await openDescribedModel(source.described);
  try {
    checkContract(model, {
      inputShape: [height, width, channels],
      classes,
      file: 'saved' in source ? source.saved : source.described.file,
      hints: {
        input: `The images of the data are ${height}x${width}x${channels}: give a model that was made for them`,
        output: `The data has ${classes} classes: give a model with a logit for each`,
      },
    });
    const schema = arenaSchemaOf(model);
    return {
      topology: topologyOf(model),
      parameters: readArena(model, schema),
      schema: schema.model.hash,
      metadata: model.getUserDefinedMetadata(),
    };
  } finally {
    disposeModel(model);
  }
}
