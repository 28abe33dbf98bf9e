/** The messages between a command that checks a recipe and the process that tries it. */

import type { Path } from '../../config/problem.js';
import type { Recipe } from '../../config/schema.js';
import type { DataInfo } from '../../data/dataset.js';
import type { LabelledImages } from '../../data/sample-source.js';
import type { ErrorCode } from '../../errors/table.js';
import type { RowShape } from '../../tensor/knowledge.js';
import type { ModelStructure } from '../../tensor/model-structure.js';
import type { GivenModels } from '../given-model.js';

/** The first message to the process. */
export interface TrialQuestion {
  readonly type: 'question';
  readonly recipe: Recipe;
  /** The shape and sizes of its data. */
  readonly data: DataInfo;
  /** The models from outside that are needed. A model that learns from another one, or begins with it, is not tried. */
  readonly given: Pick<GivenModels, 'stages' | 'folders'>;
  /** Makes a training step of each model that a stage trains. */
  readonly hasSteps: boolean;
  /** The structures that models must have, by their names. Where one has another, nothing more is tried: the caller refuses the model. */
  readonly before: Readonly<Record<string, ModelStructure>>;
}

/** The second one, where training steps are made: samples of each split that a stage trains on (examples.ts). */
export interface TrialExamples {
  readonly type: 'examples';
  readonly splits: Readonly<Record<string, LabelledImages>>;
}

/** A piece of the work: it may throw, hang, or end the process, where code of the user's runs in it. */
export interface TrialPiece {
  readonly what: 'model' | 'term' | 'step';
  /** Its place in the recipe. */
  readonly path: Path;
  /** The module of the user's that runs in it; null when none does. */
  readonly module: UserFile | null;
}

export interface UserFile {
  /** Absolute. */
  readonly file: string;
  /** The code of an error in it. */
  readonly code: 'model.invalid' | 'loss.invalid';
}

export type TrialMessage =
  /** Begins a piece. */
  | { readonly type: 'begun'; readonly piece: TrialPiece }
  /** `model`: its key (config/peer.ts). `structure`: null for a model from outside. */
  | { readonly type: 'built'; readonly model: string; readonly parameters: number; readonly structure: ModelStructure | null }
  /** A step of this model, `stage` or `stage.peer`, takes tensors of these shapes, without the batch, from its teacher. */
  | { readonly type: 'taught'; readonly peer: string; readonly shapes: readonly RowShape[] }
  /** It takes so many numbers of each image of each other student that trains it. */
  | { readonly type: 'gathered'; readonly peer: string; readonly numbers: number }
  /** All is tried that needs no samples: the training steps wait for them. */
  | { readonly type: 'waiting' }
  /** A training step of this model, `stage` or `stage.peer`, was made. */
  | { readonly type: 'stepped'; readonly peer: string; readonly engine: string; readonly warnings: readonly string[] }
  /** A training step of this model failed, or a prediction of the one at this place of the recipe, and that is no fault of the recipe. */
  | { readonly type: 'untried'; readonly what: 'training step' | 'prediction'; readonly peer: string; readonly reason: string }
  /** The recipe cannot be run. The last message. */
  | { readonly type: 'refused'; readonly path: Path; readonly code: ErrorCode; readonly message: string }
  /** The program is at fault. The last message. */
  | { readonly type: 'broken'; readonly stack: string }
  /** Everything is tried. The last message. */
  | { readonly type: 'done' };
