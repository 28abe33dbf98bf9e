/** The model of one peer of a stage with the program that runs it, as students train it and teachers ask it. */

import type { LayersModel } from '@tensorflow/tfjs-layers';
import { abortable } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import { type PeerName, peerRecipe, spellPeer } from '../../src/config/peer.js';
import type { PeerRecipe } from '../../src/config/schema.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { buildModel } from '../../src/nn/build.js';
import { openDescribedModel, topologyOf } from '../../src/nn/model-topology.js';
import { disposeModel } from '../../src/nn/weights.js';
import { buildStep, type StepNotice } from '../../src/programs/choose-step.js';
import { cutText } from '../../src/protocol/field.js';
import { loadTraining } from '../../src/step/load-training.js';
import type { StepProgram } from '../../src/step/step-program.js';
import type { StepTraining } from '../../src/step/trainer.js';
import { bfloat16Support } from '../../src/system/bfloat16-support.js';
import { describeProcessor } from '../../src/system/processor.js';
import { type EngineContext, loadStage, trainingStage } from './context.js';
import { fetchTopology } from './fetch-state.js';
import { initialSeed } from './view.js';

export interface StageModel {
  /** The stage's name. */
  readonly name: string;
  /** The recipe by which the model trains; null for a model that was trained elsewhere. */
  readonly stage: PeerRecipe | null;
  readonly model: LayersModel;
  /** The layers of the model, as a checkpoint keeps them. */
  readonly topology: Uint8Array;
  /** The training of the model; null for a model that teaches, or was trained elsewhere. */
  readonly training: StepTraining | null;
  readonly program: StepProgram;
  /** The parameters that the peer begins with. The same in every process. */
  readonly initial: Float32Array;
  readonly classes: number;
  dispose(): void;
}

/** A model that is trained here. */
export interface TrainingModel extends StageModel {
  readonly stage: PeerRecipe;
  readonly training: StepTraining;
}

/** The same model, which must be one that is trained here. */
export function asTrainingModel(model: StageModel): TrainingModel {
  const { stage, training } = model;
  return { ...model, stage: present(stage, `the recipe of ${model.name}`), training: present(training, `the training of ${model.name}`) };
}

/** A model that is wanted. */
export interface PeerToOpen {
  readonly peer: PeerName;
  /** Nobody waits for it any more when this is aborted. */
  readonly signal: AbortSignal;
}

/**
 * Builds the model of a peer of a stage, and has the agent know that a batch may take longer from now on. `taught`: the stage that
 * the model is to teach; null: it is trained, and has an optimiser. Throws model.invalid, engine.unusable, checkpoint.damaged and what the
 * data throws, and the signal's reason while it waits for data or layers.
 */
export async function openStageModel(context: EngineContext, { peer, signal }: PeerToOpen, taught: string | null): Promise<StageModel> {
  const { stage: name } = peer;
  const stage = peerRecipe(context.recipe, peer);
  const own = stage?.on ?? loadStage(context, peer).test;
  // All splits have images of the same shape. A teacher has read those of the stage that it teaches.
  const split = taught === null ? own : trainingStage(context, taught).on;
  const images = await abortable(context.splits.get(split), signal);
  const { model, seed } = await buildPeer(context, { peer, signal }, images);
  try {
    const buildTeacher = async (teacher: PeerName) => (await buildPeer(context, { peer: teacher, signal }, images)).model;
    const training =
      taught === null && stage !== null ? await loadTraining(stage, { model, seed, samples: images.count, buildTeacher }) : null;
    const { height, width, channels, classes } = images;
    context.meter.forgetTimes();
    context.showProgress();
    const program = buildStep({
      engine: context.compute.engine,
      wanted: context.recipe.engine,
      model,
      training,
      inputShape: [height, width, channels],
      onNotice: noticesTo(context, taught ?? name),
    });
    return {
      ...{ name, stage, model, training, program, classes, topology: topologyOf(model) },
      initial: program.readParameters(),
      dispose() {
        program.dispose();
        disposeModel(model);
      },
    };
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

type ImageShape = Pick<SampleSource, 'height' | 'width' | 'channels' | 'classes'>;

interface BuiltModel {
  /** Its parameters are the initial ones of the peer. */
  readonly model: LayersModel;
  /** The seed that they were drawn with. */
  readonly seed: number;
}

async function buildPeer(context: EngineContext, wanted: PeerToOpen, images: ImageShape): Promise<BuiltModel> {
  const { recipe } = context;
  const { peer: name } = wanted;
  const trained = peerRecipe(recipe, name);
  if (trained === null) return { model: await fetchModel(context, wanted), seed: recipe.seed };
  const { model } = trained;
  const { height, width, channels, classes } = images;
  const seed = initialSeed(recipe, { model, peer: name.peer });
  const spec = present(recipe.models[model], `model ${model}`);
  return { model: await buildModel(spec, { inputShape: [height, width, channels], classes, seed }), seed };
}

/** The model that the run was given for a stage. Its layers come from the coordinator; its parameters are written later, as those of any state. */
async function fetchModel(context: EngineContext, { peer, signal }: PeerToOpen): Promise<LayersModel> {
  const topology = await abortable(fetchTopology(context, peer), signal);
  return openDescribedModel({ topology, parameters: null, file: `the layers of the model ${spellPeer(peer)}` });
}

/** Logs how the steps of a stage run, and tells the coordinator once for all batch sizes that run alike. */
function noticesTo(context: EngineContext, stage: string): (notice: StepNotice) => void {
  const { engine, threads } = context.compute;
  const told = new Set<string>();
  return (notice) => {
    const { traced, precision } = notice;
    const isAsWished = precision === context.recipe.engine.precision;
    const why = isAsWished ? notice.reason : `not in ${context.recipe.engine.precision}, as the recipe wishes: ${notice.reason}`;
    const reason = why ?? (precision === 'bf16' ? slownessOfBfloat16() : null);
    context.logger[reason === null ? 'info' : 'warn']('step.chosen', { stage, engine, threads, ...notice, reason });
    const note = reason === null ? null : cutText(reason);
    const key = JSON.stringify([traced, precision, note]);
    if (told.has(key)) return;
    told.add(key);
    context.report({ type: 'worker.prepared', stage, traced, precision, threads, note });
  };
}

/** The reason why bf16 is slow on this processor; null when it is not slow. */
function slownessOfBfloat16(): string | null {
  const { pays, note } = bfloat16Support(describeProcessor());
  return pays ? null : note;
}
