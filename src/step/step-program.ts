/**
 * The interface of a model in an engine: train it step by step, test it, predict with it, and hand its parameters and
 * optimiser slots in and out as flat arenas. The student's and the teacher's loops know only this interface; the way in
 * which a step is carried out (op by op, or as a recorded graph) is behind it.
 *
 * Invariants: every call is synchronous and leaves no tensor behind, except that `forward` keeps the tensors that `backward`
 * needs. Typed arrays that go in belong to the caller again when the call returns, and arrays that come out are fresh copies.
 * Axes: B batch, H height, W width, C channels, K classes. All arrays are row-major.
 */

import type { ArenaSchema } from '../tensor/arena.js';
import type { Knowledge, KnowledgeTensor, OutputSpec } from '../tensor/knowledge.js';

export interface StepBatch {
  /** B. May differ from step to step. */
  readonly size: number;
  /** Normalised pixels, [B, H, W, C]. */
  readonly images: Float32Array;
  readonly labels: LabelArrays;
  /** The other side's knowledge, as `other` of the stage's loss asks for it; empty in a stage without another side. */
  readonly other: Knowledge;
  /** It is there where the stage's loss keeps a memory. */
  readonly samples?: SampleArrays | undefined;
  /** The rest of the gathered batch, for terms over it; without it, this batch is the whole of it. */
  readonly rest?: RestOfBatch | undefined;
}

/** The samples of a batch by their numbers in the split that the stage trains on, from 0. */
export interface SampleArrays {
  /** The sample of each image, [B]; none is there twice. */
  readonly ids: Int32Array;
  /** The other samples that are drawn for each of them, [B, D]; none is there twice in a row. */
  readonly drawn: Int32Array;
}

/** The samples of a gathered batch that the other students of the row train in the same step: R of them. */
export interface RestOfBatch {
  /** The number of them that come before the own samples; the others come after. */
  readonly before: number;
  readonly labels: LabelArrays;
  /** The knowledge of the two lists `gathered` of the stage's loss, [R, ...] each. */
  readonly student: Knowledge;
  readonly other: Knowledge;
}

/** The place of the own samples in a gathered batch. */
export interface BatchPlace {
  readonly before: number;
  /** R. */
  readonly others: number;
}

export interface LabelArrays {
  /** Class of each image, [B]. */
  readonly classes: Int32Array;
  /** For images that are mixed of two: the second one's class, [B], and the share of the first, [B]; null when no image is mixed. */
  readonly mixed: { readonly second: Int32Array; readonly share: Float32Array } | null;
}

/** The inputs of the second half of a step. */
export type StepAnswerBatch = Pick<StepBatch, 'labels' | 'other' | 'samples' | 'rest'>;

/** The numbers that change during a stage. */
export interface StepKnobs {
  /** The learning rate. */
  readonly rate: number;
  /** The numbers of the loss by name (`lossKnobsAt` of src/losses/loss-plan.ts): always the same names. */
  readonly loss: Readonly<Record<string, number>>;
}

export interface StepResult {
  /** The training loss before the update, summed over the batch. */
  readonly lossSum: number;
  /** The terms of the loss by name, without their weights, summed over the batch. */
  readonly terms: Readonly<Record<string, number>>;
  /** The number of samples that the model puts into the same class as its teacher; null where the loss takes no logits of a teacher. */
  readonly sameAsTeacher: number | null;
  /** B. */
  readonly count: number;
  /** The number of samples that the model put into their class, in training mode and before the update. */
  readonly correct: number;
  /** False when the loss is NaN or infinite; the parameters have then been updated with that loss. */
  readonly finite: boolean;
  /** False when the loss is not finite, and the logits are not either: the parameters were at fault before this step. */
  readonly finiteLogits: boolean;
}

export interface EvaluateResult {
  /** Cross-entropy with the labels, without smoothing, summed. */
  readonly lossSum: number;
  readonly correct: number;
  readonly count: number;
}

export interface StepProgram {
  readonly schema: ArenaSchema;
  /** The number of elements of the optimiser's slots; 0 when it has none. */
  readonly slotCount: number;
  /** Makes one student update. The gradient is that of the mean loss over the batch. */
  step(batch: StepBatch, knobs: StepKnobs): StepResult;
  /**
   * The first half of an update, for a step that must know its own knowledge before the other side's. Returns the knowledge of the
   * specs `student` of the stage's loss, in training mode, for images [B, H, W, C]; the logits are first. Moves the BatchNorm
   * statistics, once, and keeps the activations for `backward`; until then other programs may run, and this one may predict.
   * Drops an open half. `place`: the place of these images in the gathered batch of which `backward` will be given the rest.
   */
  forward(images: Float32Array, size: number, place?: BatchPlace): Knowledge;
  /**
   * The second half: makes the update that `step` would have made with the images that went to `forward`, without a second forward
   * pass. Throws when no half is open.
   */
  backward(answers: StepAnswerBatch, knobs: StepKnobs): StepResult;
  /** Undoes an open half whose second half will not come: the state is what it was before. Changes nothing when no half is open. */
  abandon(): void;
  /**
   * The length (L2 norm) of the gradient of each part of the loss by its key, weighted, over all trained variables: what the part has to
   * say in a step with this batch. Op by op, a forward pass for each part; changes nothing. Drops an open half.
   */
  gradientLengths(batch: StepBatch, loss: StepKnobs['loss']): Readonly<Record<string, number>>;
  /** Loss and hits of `size` samples in inference mode; images [B, H, W, C], labels [B]. */
  evaluate(images: Float32Array, labels: Int32Array, size: number): EvaluateResult;
  /** Logits [B, K] in inference mode. */
  predict(images: Float32Array, size: number): Float32Array;
  /**
   * Knowledge of `size` images in inference mode, in the order of the specs. Throws `model.invalid` for a layer that is
   * not there, and for a reduction that does not fit it.
   */
  answer(images: Float32Array, size: number, specs: readonly OutputSpec[]): Knowledge;
  /** The gradient of the cross-entropy with these labels, [B], summed over the batch, by the images [B, H, W, C], in inference mode. */
  inputGradient(images: Float32Array, labels: Int32Array): KnowledgeTensor;
  readParameters(): Float32Array;
  /** Takes an arena of exactly `schema.size` elements. Drops an open half, as writing slots does. */
  writeParameters(arena: Float32Array): void;
  /** The optimiser's slots (with a step count where it has one), `slotCount` elements. */
  readSlots(): Float32Array;
  writeSlots(slots: Float32Array): void;
  /** Sets the slots as if no step had been taken. */
  resetSlots(): void;
  /** Releases the tensors that the program holds. The model belongs to the code that built it. */
  dispose(): void;
}
