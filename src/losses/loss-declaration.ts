/**
 * What a loss says of itself before anything is computed: its knobs with their ranges, and the knowledge that it takes of
 * the student and of the other side. Plain TypeScript without tfjs: recipe checks, coordinator and command line read it.
 * Owns the types only; the arithmetic is in loss-method.ts.
 */

import type { NumberRange, Variable } from '../config/variable.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';

/** A number that may change over a stage. It reaches the arithmetic as a tf.Scalar. */
export interface KnobDeclaration extends NumberRange {
  readonly default: Variable;
}

/** A number that is fixed for a stage. It reaches the arithmetic as a number. */
export interface ConstantDeclaration extends NumberRange {
  readonly default: number;
  readonly whole?: boolean | undefined;
}

/** What the recipe says of a term, with its defaults. */
export interface TermSettings {
  /** Pairs of layer names, the student's first; empty for a loss that takes no taps. */
  readonly taps: readonly (readonly [string, string])[];
  /** One weight for each pair; 1 where the recipe gives none. */
  readonly weights: readonly number[];
  readonly constants: Readonly<Record<string, number>>;
}

/** Shapes without the batch, as the two models have them: [H, W, C] of a feature map, [K] of logits. Throws `model.invalid` for a layer that is not there. */
export interface TapShapes {
  student(layer: string): readonly number[];
  other(layer: string): readonly number[];
}

/** A trainable tensor that belongs to a term and not to the model: it trains, averages and is saved with the student, and is not exported. */
export interface AdapterSpec {
  /** Unique within the term. */
  readonly name: string;
  readonly shape: readonly number[];
  /** `kaiming`: by the fan-out of a kernel [..., in, out]; or every element this number. */
  readonly initial: 'kaiming' | number;
  /** Whether weight decay acts on it. */
  readonly decays: boolean;
}

/** What a term takes. The arithmetic gets the tensors in these orders. */
export interface TermNeeds {
  readonly student: readonly KnowledgeSpec[];
  /** Of the other side: a teacher, or another peer. Empty: the term needs none. */
  readonly other: readonly KnowledgeSpec[];
  readonly adapters: readonly AdapterSpec[];
}

/** The part of a declaration that is plain data, and so can be sent to another process. All that a recipe is checked against. */
export interface LossTraits {
  /** Where the formula is from. */
  readonly paper: string;
  /** The weight of a term that gives none. */
  readonly weight: Variable;
  readonly knobs: Readonly<Record<string, KnobDeclaration>>;
  readonly constants: Readonly<Record<string, ConstantDeclaration>>;
  /** Whether the recipe must give pairs of taps. */
  readonly takesTaps: boolean;
  /** Whether there must be another side: a train stage has none. */
  readonly takesOther: boolean;
}

export interface LossDeclaration extends LossTraits {
  /** Pure. Called once for each term, when both models are known. */
  needs(settings: TermSettings, shapes: TapShapes): TermNeeds;
}
