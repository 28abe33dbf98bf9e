/**
 * A step program is what an engine does with a model: train it step by step, test it, answer with it, and hand its parameters and
 * optimiser slots in and out as flat arenas. The student's and the teacher's loops know only this interface; how a step
 * is carried out (op by op, or as a recorded graph) is behind it.
 *
 * Invariants: every call is synchronous and leaves no tensor behind, except that `forward` keeps what `backward` needs;
 * typed arrays that go in are the caller's again when the call returns, and arrays that come out are fresh copies.
 * Axes: B batch, H height, W width, C channels, K classes. All arrays are row-major.
 */

import type { ArenaSchema } from '../tensor/arena.js';
import type { Knowledge, KnowledgeSpec } from '../tensor/knowledge.js';

export interface StepBatch {
  /** B. May differ from step to step. */
  readonly size: number;
  /** Normalised pixels, [B, H, W, C]. */
  readonly images: Float32Array;
  readonly labels: LabelArrays;
  /** The other side's knowledge, as `other` of the stage's loss asks for it; empty in a stage without another side. */
  readonly other: Knowledge;
}

export interface LabelArrays {
  /** Class of each image, [B]. */
  readonly classes: Int32Array;
  /** For images that are mixed of two: the second one's class, [B], and the share of the first, [B]; null: none is mixed. */
  readonly mixed: { readonly second: Int32Array; readonly share: Float32Array } | null;
}

/** The second half of a step takes these. */
export type StepAnswerBatch = Pick<StepBatch, 'labels' | 'other'>;

/** The numbers that change over the course of a stage. */
export interface StepKnobs {
  /** The learning rate. */
  readonly rate: number;
  /** The numbers of the loss by name (`lossKnobsAt` of src/losses/loss-plan.ts): always the same names. */
  readonly loss: Readonly<Record<string, number>>;
}

export interface StepResult {
  /** The training loss before the update, summed over the batch. */
  readonly lossSum: number;
  /** The parts of the loss by name, without their weights, summed over the batch. */
  readonly terms: Readonly<Record<string, number>>;
  /** B. */
  readonly count: number;
  /** How many samples the model put into their class, in training mode and before the update. */
  readonly correct: number;
  /** False when the loss is NaN or infinite; the parameters have then been updated with what came of it. */
  readonly finite: boolean;
}

export interface EvaluateResult {
  /** Cross-entropy with the labels, without smoothing, summed. */
  readonly lossSum: number;
  readonly correct: number;
  readonly count: number;
}

export interface StepProgram {
  readonly schema: ArenaSchema;
  /** Elements of the optimiser's slots; 0 when it has none. */
  readonly slotCount: number;
  /** One student update. The gradient is that of the mean loss over the batch. */
  step(batch: StepBatch, knobs: StepKnobs): StepResult;
  /**
   * The first half of an update, for a step that must know its own knowledge before the other side's: the specs `student` of
   * the stage's loss, in training mode, of images [B, H, W, C]; the logits are first. Moves the BatchNorm statistics, once, and
   * keeps the activations for `backward`; until then other programs may run, and this one may predict. Drops a half that is open.
   */
  forward(images: Float32Array, size: number): Knowledge;
  /**
   * The second half: the update that `step` would have made of the images that went to `forward`, without a second forward
   * pass. Throws when no half is open.
   */
  backward(answers: StepAnswerBatch, knobs: StepKnobs): StepResult;
  /** Drops a half that is open, when what it waits for will not come. Without one it changes nothing. */
  abandon(): void;
  /** Loss and hits of `size` samples in inference mode; images [B, H, W, C], labels [B]. */
  evaluate(images: Float32Array, labels: Int32Array, size: number): EvaluateResult;
  /** Logits [B, K] in inference mode. */
  predict(images: Float32Array, size: number): Float32Array;
  /**
   * Knowledge of `size` images in inference mode, as the specs say, in their order. Throws `model.invalid` for a layer that is
   * not there, and for a reduction that does not fit it.
   */
  answer(images: Float32Array, size: number, specs: readonly KnowledgeSpec[]): Knowledge;
  readParameters(): Float32Array;
  /** Takes an arena of exactly `schema.size` elements. Drops a half that is open, as writing slots does. */
  writeParameters(arena: Float32Array): void;
  /** The optimiser's slots (a step count included, where it has one), `slotCount` elements. */
  readSlots(): Float32Array;
  writeSlots(slots: Float32Array): void;
  /** As if no step had been taken. */
  resetSlots(): void;
  /** Gives back what the program holds. The model stays with who built it. */
  dispose(): void;
}
