/**
 * The declaration of a loss: its knobs with their ranges, and the knowledge that it takes from the student and from the other
 * side. Plain TypeScript without tfjs, because recipe checks, coordinator and command line read it before anything is computed.
 * Owns the types only; the arithmetic is in loss-method.ts.
 */

import type { NumberRange, Variable } from '../config/variable.js';
import type { KnowledgeSpec, SampleSpec } from '../tensor/knowledge.js';

/** A number that may change during a stage. It reaches the arithmetic as a tf.Scalar. */
export interface KnobDeclaration extends NumberRange {
  readonly default: Variable;
}

/** A number that is fixed for a stage. It reaches the arithmetic as a number. */
export interface ConstantDeclaration extends NumberRange {
  readonly default: number;
  readonly whole?: boolean | undefined;
}

/** Two layers of one model, the earlier one first. */
export type LayerFlow = readonly [from: string, to: string];

/** The settings of one term of a recipe that do not change during a stage, with their defaults. */
export interface TermSettings {
  /** Pairs of layer names, the student's first; empty for a loss that takes no taps. */
  readonly taps: readonly (readonly [string, string])[];
  /** Pairs of flows, the student's first. They are there for a loss that takes flows. */
  readonly flows?: readonly (readonly [LayerFlow, LayerFlow])[] | undefined;
  /** One weight for each pair; 1 where the recipe gives none. */
  readonly weights: readonly number[];
  readonly constants: Readonly<Record<string, number>>;
  /**
   * Whether the term is over the gathered batch of all students of the row. The other side answers about the batch of one student; where this is
   * true, the tensors of all of them are joined sample by sample.
   */
  readonly isGathered?: boolean | undefined;
}

/**
 * The shapes of the layers of both models, without the batch: [H, W, C] of a feature map, [K] of logits. Both functions throw
 * `model.invalid` for a layer that is not there.
 */
export interface TapShapes {
  student(layer: string): readonly number[];
  other(layer: string): readonly number[];
}

/**
 * A trainable tensor that belongs to a term and not to the model: it is trained, averaged and saved with the student, and is
 * not exported.
 */
export interface AdapterSpec {
  /** Unique within the term. */
  readonly name: string;
  readonly shape: readonly number[];
  /** `kaiming`: by the fan-out of a kernel [..., in, out]. A number: every element has this value. */
  readonly initial: 'kaiming' | number;
  /** Whether weight decay acts on it. */
  readonly decays: boolean;
}

/**
 * A tensor that a term keeps from step to step, and that no gradient trains: the arithmetic gives its new values after each step. It is hashed
 * and saved with the student, and is not exported. Each of several replicas gives the rows of the samples that it has trained.
 */
export interface MemorySpec {
  /** Unique within the term. */
  readonly name: string;
  /**
   * The elements of a row; there is one row for each sample of the split, which begins with a random direction, of length 1. Null: one number,
   * which is 0 until the first step has set it; then it stays as it is, and of several replicas it is the mean.
   */
  readonly width: number | null;
}

/** The tensors that a term takes. The arithmetic gets them in these orders. */
export interface TermNeeds {
  /** Knowledge about each sample: where a loss compares samples, it does so itself, because the gradient flows through it. */
  readonly student: readonly SampleSpec[];
  /** The knowledge of the other side, which is a teacher or another peer; empty when the term needs none. */
  readonly other: readonly KnowledgeSpec[];
  readonly adapters: readonly AdapterSpec[];
  /** The tensors that it keeps; none by default. */
  readonly memory?: readonly MemorySpec[] | undefined;
  /** The number of other samples that are drawn for each sample, for a term with a memory. */
  readonly draws?: number | undefined;
}

/** The set on which a loss is defined: each image by itself, or all images of a batch together. */
export type LossScope = 'sample' | 'batch';

/** The part of a declaration that is plain data: it can be sent to another process, and a recipe is checked against it. */
export interface LossTraits {
  /** The source of the formula. */
  readonly paper: string;
  /** The weight of a term whose recipe gives none. */
  readonly weight: Variable;
  readonly knobs: Readonly<Record<string, KnobDeclaration>>;
  readonly constants: Readonly<Record<string, ConstantDeclaration>>;
  /** Whether the recipe must give pairs of taps. */
  readonly takesTaps: boolean;
  /** Whether the recipe must give pairs of flows, and no taps. */
  readonly takesFlows?: boolean | undefined;
  /** Whether the term needs another side, which a train stage does not have. */
  readonly takesOther: boolean;
  /**
   * The set on which the loss is defined. `sample`, the default: each image has a loss of its own, so that parts of a batch add up to
   * the whole. `batch`: a relation among the images of a batch, which must stay whole. The batch is that of one student in one step, or
   * where the recipe says `batch: gathered` that of all students of the row. A recipe whose batch is divided among students, and not gathered, gets a warning.
   */
  readonly over?: LossScope | undefined;
  /**
   * Whether the two sides of each pair of taps are brought to one shape by the rule of adapter-rule.ts before `sum` gets them; `needs` is
   * then `needsOfAdapted`.
   */
  readonly adapts?: boolean | undefined;
}

export interface LossDeclaration extends LossTraits {
  /** Pure. Called once for each term, when both models are known. */
  needs(settings: TermSettings, shapes: TapShapes): TermNeeds;
}
