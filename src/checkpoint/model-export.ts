/**
 * A trained model as the two files that stock tfjs opens, `tf.loadLayersModel(<model.json>)`: made from the topology and the
 * parameters of a checkpoint alone. No tfjs here, no recipe, no data, no module.
 *
 * Invariants: equal models with equal facts give equal bytes; the user's metadata is kept, and the facts are beside it under one key.
 */

import { createHash } from 'node:crypto';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { TrainingSplit } from '../protocol/training-split.js';
import { type ModelTopology, parameterCountOf, readTopology } from '../tensor/topology.js';

/** The key of `userDefinedMetadata` that holds the facts. */
export const FACTS_KEY = 'stillhouse';

/** The facts about a model that whoever uses it needs, and where it came from. */
export interface ModelFacts {
  /** The name of the run's folder. */
  readonly run: string;
  readonly stage: string;
  readonly peer: string;
  readonly round: number;
  /** The place that the run took the model from, in words; left out where the run trained it. */
  readonly takenFrom?: string;
  /** The epoch after which the model was tested; null when it was not tested as it is. A model that the run took from outside has none. */
  readonly epoch: number | null;
  /** The share of the test images that it classified right, 0 to 1; null as above. */
  readonly accuracy: number | null;
  /** By channel: the model's input is (pixel / 255 - mean) / std. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** The images that the model, and each that it has learned from, was trained on; left out where nothing is known. */
  readonly trainedOn?: readonly TrainingSplit[];
  /** The names of the classes, in the order of the output; left out where the data has none. */
  readonly classNames?: readonly string[];
}

/** A file of an export. */
export interface ExportedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The names of the files of an export, the one that names the other last. */
export const EXPORTED_FILES = ['weights.bin', 'model.json'] as const;

/** A model as it is in a checkpoint. */
export interface StoredModel {
  readonly topology: Uint8Array;
  /** The model's arena, without adapters. */
  readonly parameters: Float32Array;
  /** The folder of the checkpoint, to name when it is damaged. */
  readonly file: string;
}

/** The files of the model. Throws `checkpoint.damaged` when topology and parameters are not those of one model. */
export function exportModel({ topology: bytes, parameters, file }: StoredModel, facts: ModelFacts): readonly ExportedFile[] {
  const topology = readTopology(bytes);
  if (typeof topology === 'string') throw new StillhouseError('checkpoint.damaged', `the topology of the model: ${topology}`, { file });
  const count = parameterCountOf(topology);
  if (count !== parameters.length) {
    throw new StillhouseError('checkpoint.damaged', `the topology has ${count} parameters, and ${parameters.length} are there`, { file });
  }
  const weights = new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength);
  const { userDefinedMetadata: own = {}, ...rest } = topology;
  const before = Object.hasOwn(own, FACTS_KEY) ? { from: own[FACTS_KEY] } : {};
  const { run, stage, peer, round, takenFrom, accuracy, mean, std, classNames, trainedOn } = facts;
  const epoch = takenFrom === undefined ? facts.epoch : null;
  const all = {
    ...{ run, stage, peer, round, takenFrom, epoch, accuracy, mean, std, classNames, trainedOn },
    inputShape: inputShapeOf(topology),
    output: 'logits',
    parametersSha256: createHash('sha256').update(weights).digest('hex'),
    // The model that this one was made from was an export itself.
    ...before,
  };
  const [weightsFile, modelFile] = EXPORTED_FILES;
  const model = {
    ...rest,
    weightsManifest: rest.weightsManifest.map((group) => ({ ...group, paths: [weightsFile] })),
    userDefinedMetadata: { ...own, [FACTS_KEY]: all },
  };
  return [
    { name: weightsFile, bytes: weights },
    { name: modelFile, bytes: new TextEncoder().encode(JSON.stringify(model)) },
  ];
}

/** Height, width and channels of the images that a model takes; null where its topology does not say. */
export function inputShapeOf({ modelTopology }: ModelTopology): readonly number[] | null {
  const config = entry(modelTopology, 'config');
  const layers = asList(Array.isArray(config) ? config : entry(config, 'layers'));
  const name = asList(asList(entry(config, 'input_layers'))[0])[0];
  const first = layers.find((layer) => entry(layer, 'name') === name) ?? layers[0];
  const shape = asList(entry(entry(first, 'config'), 'batch_input_shape')).slice(1);
  return shape.length > 0 && shape.every((axis) => typeof axis === 'number') ? shape.map(Number) : null;
}

function entry(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
