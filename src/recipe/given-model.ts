/**
 * The models from outside that a recipe takes into its run: each is read from its source and held against the recipe's data. The parts that
 * the run needs of it (layers and parameters) are a checkpoint, which the coordinator takes into the run's folder, so that the source is
 * needed once.
 */

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asTerm } from '../base/ids.js';
import type { CheckpointContent } from '../checkpoint/read-checkpoint.js';
import { openCheckpointStore } from '../checkpoint/store.js';
import { MODEL_PEER } from '../config/peer.js';
import type { OutsideModel, Recipe } from '../config/schema.js';
import type { DataInfo } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ShapeSource } from '../nn/knowledge-model.js';
import { GIVEN_ROUND } from '../protocol/state-name.js';
import { hashState } from '../tensor/state-tensors.js';
import { readRunModel } from './run-model.js';

/** A model from outside, as the run takes it. */
export interface GivenModel {
  readonly content: CheckpointContent;
  readonly shapes: ShapeSource;
  readonly parameters: number;
  /** Facts that a person should know; the model can be taken. */
  readonly warnings: readonly string[];
}

/** Reads the model of a stage `load`. Throws `model.invalid` when it does not fit the data, and the errors of its source. */
export async function openGivenModel(stage: string, { recipe, data }: { readonly recipe: Recipe; readonly data: DataInfo }): Promise<GivenModel> {
  const own = recipe.stages[stage];
  if (own?.kind !== 'load') throw new Error(`stage ${stage} takes no model from outside`);
  // Loaded only here: tfjs takes half a second to load, and few recipes take a model from outside.
  const { openEngine } = await import('../engines/catalogue.js');
  const { checkContract } = await import('../nn/contract.js');
  const { shapeSourceOf } = await import('../nn/knowledge-model.js');
  const { topologyOf } = await import('../nn/model-topology.js');
  const { arenaSchemaOf, disposeModel, readArena } = await import('../nn/weights.js');
  await openEngine('cpu');
  const { model, file, facts } = await openSource(own.from);
  try {
    const { height, width, channels, classes } = data;
    const images = `${height}x${width}x${channels}`;
    const hints = {
      input: `The images of the data are ${images}: give a model that was made for them`,
      output: `The data has ${classes} classes: give a model with a logit for each`,
    };
    checkContract(model, { inputShape: [height, width, channels], classes, file, hints });
    const schema = arenaSchemaOf(model);
    const parameters = readArena(model, schema);
    const tensors = new Map([
      ['parameters', parameters],
      ['slots', new Float32Array(0)],
    ]);
    const hash = hashState(tensors);
    if (facts.hash !== null && facts.hash !== hash) {
      throw new StillhouseError('model.invalid', 'the numbers of the model are not those that it was written with: the file is damaged', {
        file,
        hint: 'Copy or export it again',
      });
    }
    const state = { stage, peer: MODEL_PEER, round: GIVEN_ROUND };
    return {
      content: { info: { state, term: asTerm(1), ranges: [], hash, schema: schema.model.hash }, tensors, topology: topologyOf(model) },
      shapes: shapeSourceOf(model),
      parameters: parameters.length,
      warnings: warningsOf(stage, facts, recipe),
    };
  } finally {
    disposeModel(model);
  }
}

/** Keeps the models for the coordinator of a new run, each as a checkpoint. Answers their folder, which the caller removes. */
export async function keepGivenModels(models: readonly GivenModel[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stillhouse-given-'));
  const store = await openCheckpointStore(folder);
  for (const { content } of models) {
    const outcome = await store.put(content);
    if (!outcome.stored) throw new StillhouseError('model.invalid', `the model of stage ${content.info.state.stage}: ${outcome.message}`);
  }
  return folder;
}
