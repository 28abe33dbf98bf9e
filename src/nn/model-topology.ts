/** The topology of a model (src/tensor/topology.ts), and a model from its topology and its parameters alone: no recipe, no module, no data. */

import type { io } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel, version_layers } from '@tensorflow/tfjs-layers';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { type ModelTopology, parameterCountOf, readTopology, type WeightSpec, weightsIn, writeTopology } from '../tensor/topology.js';
import { arenaSchemaOf, disposeModel, writeArena } from './weights.js';

/** The topology of a model as bytes, without its numbers. Throws `model.invalid` when it is too long. */
export function topologyOf(model: LayersModel): Uint8Array {
  const written = writeTopology({
    generatedBy: `TensorFlow.js tfjs-layers v${version_layers}`,
    modelTopology: model.toJSON(null, false) as Record<string, unknown>,
    weights: specsOf(model),
    userDefinedMetadata: model.getUserDefinedMetadata() as Record<string, unknown> | undefined,
  });
  if (typeof written === 'string') throw new StillhouseError('model.invalid', `the description of the model's layers: ${written}`);
  return written;
}

/** A model that is described by bytes and numbers, and where these came from. */
export interface DescribedModel {
  /** The bytes of its topology, as in a checkpoint; or the topology itself. */
  readonly topology: Uint8Array | ModelTopology;
  /** All its weights one after the other, in the order of the topology's list: the arena of the model, without adapters. Null: they are written later. */
  readonly parameters: Float32Array | null;
  /** The file or folder to name when it cannot be opened. */
  readonly file: string;
}

/**
 * Opens a model from its topology and its parameters alone, in stock tfjs; an engine must be open. The model keeps the
 * user's metadata (`getUserDefinedMetadata`), its layers' names, and what is trainable in it, so the schema of its arena is
 * the one that it was stored with. The caller disposes it with `disposeModel`. Throws `model.invalid`, naming `file`.
 */
export async function openDescribedModel({ topology: given, parameters, file }: DescribedModel): Promise<LayersModel> {
  const invalid = (what: string, cause?: unknown): StillhouseError =>
    new StillhouseError('model.invalid', `the model cannot be opened: ${what}`, { file, cause });
  const topology = given instanceof Uint8Array ? readTopology(given) : given;
  if (typeof topology === 'string') throw invalid(`its topology is damaged: ${topology}`);
  const count = parameterCountOf(topology);
  if (parameters !== null && count !== parameters.length) throw invalid(`it has ${count} parameters, and ${parameters.length} are there`);
  let model: LayersModel;
  try {
    const { modelTopology, userDefinedMetadata } = topology;
    model = await loadLayersModel({
      load: async () => ({ modelTopology, ...(userDefinedMetadata === undefined ? {} : { userDefinedMetadata }) }) as io.ModelArtifacts,
    });
  } catch (error) {
    throw invalid(messageOf(error), error);
  }
  const difference = differenceOf(specsOf(model), weightsIn(topology));
  if (difference !== null) {
    disposeModel(model);
    throw invalid(difference);
  }
  if (parameters !== null) writeArena(model, arenaSchemaOf(model), parameters);
  return model;
}

/** As in the file that tfjs saves: the order is that of `model.weights`, as in the arena. */
function specsOf(model: LayersModel): WeightSpec[] {
  return model.weights.map(({ originalName, shape, dtype }) => ({
    name: originalName,
    shape: shape.map(Number),
    dtype: dtype as 'float32',
  }));
}

/** Says where the weights of a model are not those that are listed; null when they are. */
function differenceOf(found: readonly WeightSpec[], listed: readonly WeightSpec[]): string | null {
  const spell = (spec: WeightSpec | undefined): string => (spec === undefined ? 'nothing' : `${spec.name} [${spec.shape}] ${spec.dtype}`);
  for (let i = 0; i < Math.max(found.length, listed.length); i++) {
    if (spell(found[i]) !== spell(listed[i]))
      return `weight ${i + 1} of its layers is ${spell(found[i])}, and ${spell(listed[i])} is listed`;
  }
  return null;
}
