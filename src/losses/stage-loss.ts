/**
 * The loss of a stage on tensors: the labels and every term, each with its weight. It knows no method: each term's declaration
 * says which tensors the term takes. Axes: B batch, K classes.
 */

import * as tf from '@tensorflow/tfjs-core';
import { assert, present } from '../base/assert.js';
import { OTHER_SIDES, type OtherSide, type PeerRecipe, type TermRecipe } from '../config/schema.js';
import type { StageMoment } from '../config/variable.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import {
  isOutputSpec,
  isSampleSpec,
  type KnowledgeSpec,
  LOGITS_SPEC,
  type OutputSpec,
  type SampleSpec,
  specKey,
} from '../tensor/knowledge.js';
import { onAdapted } from './adapted-pair.js';
import { catalogueEntry } from './catalogue.js';
import { gatherBatch, type RestTensors } from './gathered-batch.js';
import { labelLoss } from './label-loss.js';
import type { AdapterSpec, LossDeclaration, MemorySpec, TapShapes, TermNeeds } from './loss-declaration.js';
import type { Labels, LossMethod, LossSum, SampleTensors, TermMemory } from './loss-method.js';
import {
  answeredKnobs,
  answeredNames,
  keysOfTerms,
  knobName,
  LABELS_KEY,
  type LossPlan,
  longForm,
  lossKnobsAt,
  planTerm,
  sideOf,
  type TermPlan,
} from './loss-plan.js';
import { checkTerm, nameOfTerm } from './term-check.js';
import { importUserLoss } from './user-declaration.js';
import { userMethod } from './user-method.js';

/** The tensors of a batch, in the orders of the lists `student`, `sides` and `adapters` of the stage's loss. */
export interface StageLossInputs {
  readonly labels: Labels;
  /** The gradient by the images is behind them, where the loss takes it. */
  readonly student: readonly tf.Tensor[];
  /** Side by side, the tensors of each of its models in turn. They are constants: no gradient flows to them. */
  readonly other: readonly tf.Tensor[];
  readonly adapters: readonly tf.Tensor[];
  /** In the order of the list `memory` of the stage's loss. */
  readonly memory?: readonly tf.Tensor[] | undefined;
  /** They are there where the loss keeps a memory. */
  readonly samples?: SampleTensors | undefined;
  /** The rest of the gathered batch, in the orders of the lists of `gathered`. Without it, the own batch is the whole of it. */
  readonly rest?: RestTensors | undefined;
}

export interface StageLossValue {
  /** The weighted sum of the means of the labels' loss and of all terms. */
  readonly mean: tf.Scalar;
  /** The mean of each of them by its key, without its weight. */
  readonly terms: Readonly<Record<string, tf.Scalar>>;
  /** The new values of the memory by its names (LossSum of loss-method.ts). */
  readonly memory?: Readonly<Record<string, tf.Tensor>> | undefined;
}

/** A side that a loss learns from. */
export interface LossSide {
  readonly from: OtherSide;
  /** The knowledge that is asked of each of its models; no spec is in the list twice. */
  readonly specs: readonly KnowledgeSpec[];
  /** The number of its models: one teacher, or the other peers of the stage. A term is the mean over them. */
  readonly count: number;
}

/** The knowledge that a student gives the others of its row, for terms over the gathered batch; no spec is in a list twice. */
export interface GatheredSpecs {
  /** That of its own model. */
  readonly student: readonly OutputSpec[];
  /** That of the teacher about each of the student's own samples. */
  readonly other: readonly SampleSpec[];
}

export interface StageLoss {
  readonly plan: LossPlan;
  /** The knowledge that a forward pass must give; the logits are first. No spec is in the list twice. */
  readonly student: readonly OutputSpec[];
  /** Whether it also takes the gradient of the student's cross-entropy by the images, which no forward pass gives. */
  readonly takesInputGradient: boolean;
  /** The sides that its terms learn from; a side that no term asks is not in the list. */
  readonly sides: readonly LossSide[];
  /** The adapters of all terms, named `<term>.<name>`. */
  readonly adapters: readonly AdapterSpec[];
  /** The tensors that all terms keep, named `<term>.<name>`. */
  readonly memory?: readonly MemorySpec[] | undefined;
  /** The number of other samples that are drawn for each sample of a step, where it keeps any: the most that a term takes. */
  readonly draws?: number | undefined;
  /** Whether its terms are means over the peers that have answered in time: the knobs of `answeredKnobs` say which. */
  readonly isOverAnswered: boolean;
  /** Null where no term is over the gathered batch. */
  readonly gathered: GatheredSpecs | null;
  /** The loss of a batch. Called inside tf.tidy. The knobs have the names that `knobsOfLoss` gives. */
  sum(inputs: StageLossInputs, knobs: Readonly<Record<string, tf.Scalar>>): StageLossValue;
}

/** The side of a loss, if its terms ask it; otherwise null. */
export function sideFrom({ sides }: Pick<StageLoss, 'sides'>, from: OtherSide): LossSide | null {
  return sides.find((side) => side.from === from) ?? null;
}

/** Every number of the loss that may change, at this moment of the stage, where these peers have answered: by default all. */
export function knobsOfLoss(
  loss: Pick<StageLoss, 'plan' | 'sides' | 'isOverAnswered'>,
  moment: StageMoment,
  answered?: readonly boolean[],
): Readonly<Record<string, number>> {
  const knobs = lossKnobsAt(loss.plan, moment);
  if (!loss.isOverAnswered) return knobs;
  const peers = present(sideFrom(loss, 'peers'), 'the peers').count;
  return { ...knobs, ...answeredKnobs(answered ?? Array.from({ length: peers }, () => true)) };
}

/** A term with its plan, its needs and its arithmetic. */
export interface LoadedTerm {
  readonly plan: TermPlan;
  readonly from: OtherSide;
  readonly needs: TermNeeds;
  readonly method: LossMethod;
  /** Whether it is over the gathered batch of the row. */
  readonly isGathered?: boolean | undefined;
}

/**
 * Loads the methods of a stage's terms. Throws `loss.invalid` for a term that does not fit its loss's declaration and for faults of a
 * user's module, and `model.invalid` for taps that are not there.
 */
export async function loadStageLoss(
  stage: Pick<PeerRecipe, 'loss' | 'fromTeacher' | 'others' | 'onLate'>,
  shapesOf: (from: OtherSide) => TapShapes,
): Promise<StageLoss> {
  const { labels, terms } = longForm(stage);
  const keys = keysOfTerms(terms);
  const loaded = terms.map(async (term, i): Promise<LoadedTerm> => {
    const from = sideOf(term, stage);
    return { ...(await loadTerm(term, present(keys[i], 'key'), shapesOf(from))), from };
  });
  return joinTerms(labels, await Promise.all(loaded), { peers: stage.others?.length ?? 0, mayLack: stage.onLate === 'renormalise' });
}

/** The other peers of the stage: their number, and whether a step may lack the knowledge of some. */
interface OtherPeers {
  readonly peers: number;
  readonly mayLack: boolean;
}

/** Joins these terms and the labels into one loss. */
export function joinTerms(
  labels: LossPlan['labels'],
  terms: readonly LoadedTerm[],
  { peers, mayLack }: OtherPeers = { peers: 0, mayLack: false },
): StageLoss {
  const wanted = distinct<SampleSpec>([LOGITS_SPEC, ...terms.flatMap(({ needs }) => needs.student)]);
  const student = wanted.filter(isOutputSpec);
  const takesInputGradient = wanted.length > student.length;
  const own: readonly KnowledgeSpec[] = takesInputGradient ? [...student, { of: 'input-gradient' }] : student;
  const sides = OTHER_SIDES.flatMap((from): readonly LossSide[] => {
    const specs = distinct(terms.flatMap((term) => (term.from === from ? term.needs.other : [])));
    return specs.length === 0 ? [] : [{ from, specs, count: from === 'peers' ? peers : 1 }];
  });
  const adapters = terms.flatMap(({ plan, needs }) =>
    needs.adapters.map((adapter) => ({ ...adapter, name: `${plan.key}.${adapter.name}` })),
  );
  const memory = terms.flatMap(({ plan, needs }) => (needs.memory ?? []).map((kept) => ({ ...kept, name: `${plan.key}.${kept.name}` })));
  const plan: LossPlan = { labels, terms: terms.map((term) => term.plan) };
  const isOverAnswered = mayLack && sides.some(({ from }) => from === 'peers');
  const gathered = gatheredSpecs(terms);
  return {
    plan,
    student,
    takesInputGradient,
    sides,
    adapters,
    memory,
    draws: Math.max(0, ...terms.map(({ needs }) => needs.draws ?? 0)),
    isOverAnswered,
    gathered,
    sum(inputs, knobs) {
      const logits_BK = present(inputs.student[0], 'the logits') as tf.Tensor2D;
      const parts: [string, LossSum][] = [];
      if (labels.weight !== 0) {
        parts.push([LABELS_KEY, labelLoss({ logits_BK, labels: inputs.labels, epsilon: labels.smoothing })]);
      }
      for (const term of terms)
        parts.push([
          term.plan.key,
          meanOfTerm(term, { inputs, knobs, lists: { student: own, sides, adapters, memory, isOverAnswered, gathered } }),
        ]);
      return weigh(parts, knobs);
    },
  };
}

interface TermCall {
  readonly inputs: StageLossInputs;
  readonly knobs: Readonly<Record<string, tf.Scalar>>;
  readonly lists: Pick<StageLoss, 'sides' | 'adapters' | 'memory' | 'isOverAnswered' | 'gathered'> & {
    readonly student: readonly KnowledgeSpec[];
  };
}

/** The knowledge of one model of a side. */
interface OtherModel {
  readonly specs: readonly KnowledgeSpec[];
  readonly tensors: readonly tf.Tensor[];
}

/** The term's sum; where it takes knowledge of several others, the mean of its sums for each of them. */
function meanOfTerm(term: LoadedTerm, call: TermCall): LossSum {
  if (term.needs.other.length === 0) return sumOfTerm(term, { specs: [], tensors: [] }, call);
  const sums = modelsOf(term.from, call).map((other) => sumOfTerm(term, other, call));
  const [first, ...rest] = sums;
  assert(first !== undefined, 'a term without another side');
  const isMean = rest.length > 0 || (term.from === 'peers' && call.lists.isOverAnswered);
  assert(
    !isMean || sums.every(({ memory }) => memory === undefined),
    'a memory beside the knowledge of several others: each would have its own',
  );
  if (term.from === 'peers' && call.lists.isOverAnswered) return meanOfAnswered(sums, call.knobs);
  if (rest.length === 0) return first;
  const total = rest.reduce<tf.Tensor>((sum, next) => tf.add(sum, next.sum), first.sum);
  return { sum: tf.mul(total, 1 / sums.length) as tf.Scalar, count: first.count };
}

/** The mean over the peers that have answered; 0 where none has. The knowledge of the others may be anything finite. */
function meanOfAnswered(sums: readonly LossSum[], knobs: TermCall['knobs']): LossSum {
  const { each, share } = answeredNames(sums.length);
  const counted = sums.map(({ sum }, i) => tf.mul(sum, present(knobs[each[i] ?? ''], `whether peer ${i} has answered`)));
  const total = counted.reduce((all, next) => tf.add(all, next));
  return { sum: tf.mul(total, present(knobs[share], 'the share of a peer')) as tf.Scalar, count: present(sums[0], 'a peer').count };
}

/** The models of a side, each with its part of the tensors of all sides. */
function modelsOf(from: OtherSide, { inputs, lists: { sides } }: TermCall): readonly OtherModel[] {
  let start = 0;
  for (const { from: side, specs, count } of sides) {
    const end = start + specs.length * count;
    if (side === from) {
      const own = inputs.other.slice(start, end);
      return Array.from({ length: count }, (_, i) => ({ specs, tensors: own.slice(i * specs.length, (i + 1) * specs.length) }));
    }
    start = end;
  }
  return [];
}

function sumOfTerm(term: LoadedTerm, other: OtherModel, { inputs, knobs, lists }: TermCall): LossSum {
  const { plan, needs, method } = term;
  const pick = (wanted: readonly KnowledgeSpec[], specs: readonly KnowledgeSpec[], tensors: readonly tf.Tensor[]) =>
    wanted.map((spec) => present(tensors[indexOf(specs, spec)], specKey(spec)));
  const own = needs.adapters.map(({ name }) => {
    const place = lists.adapters.findIndex((adapter) => adapter.name === `${plan.key}.${name}`);
    return [name, present(inputs.adapters[place], `the adapter ${name}`)] as const;
  });
  const memory = memoryOf({ plan, needs }, inputs, lists);
  const scalars = Object.keys(plan.knobs).map((name) => [name, present(knobs[knobName(plan.key, name)], name)] as const);
  const [logits] = inputs.student;
  const ownBatch = {
    labels: inputs.labels,
    student: pick(needs.student, lists.student, inputs.student),
    other: pick(needs.other, other.specs, other.tensors),
  };
  const { rest } = inputs;
  const isWhole = term.isGathered !== true || rest === undefined || lists.gathered === null;
  const restOfTerm = isWhole
    ? null
    : {
        ...rest,
        student: pick(needs.student, lists.gathered.student, rest.student),
        other: pick(needs.other, lists.gathered.other, rest.other),
      };
  return method.sum(
    {
      ...(restOfTerm === null ? ownBatch : gatherBatch(ownBatch, restOfTerm)),
      classes: present(logits?.shape[1], 'the number of classes'),
      adapters: Object.fromEntries(own),
      settings: plan.settings,
      ...(memory === null ? {} : { memory }),
    },
    Object.fromEntries(scalars),
  );
}

/** The memory of a term; null for one that keeps none. */
function memoryOf(
  { plan, needs: { memory = [], draws = 0 } }: Pick<LoadedTerm, 'plan' | 'needs'>,
  inputs: StageLossInputs,
  lists: Pick<StageLoss, 'memory'>,
): TermMemory | null {
  if (memory.length === 0) return null;
  const tensors = memory.map(({ name }) => {
    const place = (lists.memory ?? []).findIndex((kept) => kept.name === `${plan.key}.${name}`);
    return [name, present(inputs.memory?.[place], `the memory ${name}`)] as const;
  });
  const { id_B, drawn_BD } = present(inputs.samples, 'the samples of the batch');
  // Another term may take more of them. In a trial there are fewer.
  const own = drawn_BD.shape[1] <= draws ? drawn_BD : tf.slice(drawn_BD, [0, 0], [drawn_BD.shape[0], draws]);
  return { tensors: Object.fromEntries(tensors), samples: { id_B, drawn_BD: own } };
}

/**
 * Adds the weighted sums first, and divides once, by a product: a step that is replayed as a graph then equals the eager one to
 * the bit. TensorFlow would reorder a sum between two factors, and turns a division by a constant into a product.
 */
function weigh(parts: readonly (readonly [string, LossSum])[], knobs: TermCall['knobs']): StageLossValue {
  const [first] = parts;
  assert(first !== undefined, 'a loss without a part');
  const { count } = first[1];
  const sums = parts.map(([key, part]) => [key, part.count === count ? part.sum : tf.mul(part.sum, count / part.count)] as const);
  const weighted = sums.map(([key, sum]) => tf.mul(sum, present(knobs[knobName(key, 'weight')], `the weight of ${key}`)));
  const mean = (sum: tf.Tensor) => tf.mul(sum, 1 / count) as tf.Scalar;
  const kept = parts.flatMap(([key, { memory = {} }]) => Object.entries(memory).map(([name, value]) => [`${key}.${name}`, value] as const));
  return {
    mean: mean(weighted.reduce((total, part) => tf.add(total, part))),
    terms: Object.fromEntries(sums.map(([key, sum]) => [key, mean(sum)])),
    memory: Object.fromEntries(kept),
  };
}

/** The knowledge for the terms over the gathered batch; null without any. Throws `loss.invalid` for one that cannot be gathered. */
function gatheredSpecs(terms: readonly LoadedTerm[]): GatheredSpecs | null {
  const gathered = terms.filter(({ isGathered }) => isGathered === true);
  if (gathered.length === 0) return null;
  for (const { plan, needs } of gathered) {
    if (!needs.student.every(isOutputSpec)) {
      throw new StillhouseError('loss.invalid', `the term ${plan.key} takes the student's gradient by the images, which is not gathered`, {
        hint: 'Leave batch: gathered out: the loss is then over the batch of each student',
      });
    }
    if (!needs.other.every(isSampleSpec)) {
      throw new StillhouseError(
        'loss.invalid',
        `the term ${plan.key} takes similarities of the other side, which are those of one student's batch, and not gathered`,
        { hint: 'Where settings.isGathered is true, let needs() ask for the layers as they are; or leave batch: gathered out' },
      );
    }
  }
  return {
    student: distinct(gathered.flatMap(({ needs }) => needs.student.filter(isOutputSpec))),
    other: distinct(gathered.flatMap(({ needs }) => needs.other.filter(isSampleSpec))),
  };
}

function distinct<Spec extends KnowledgeSpec>(specs: readonly Spec[]): readonly Spec[] {
  return specs.filter((spec, i) => indexOf(specs, spec) === i);
}

function indexOf(specs: readonly KnowledgeSpec[], wanted: KnowledgeSpec): number {
  return specs.findIndex((spec) => specKey(spec) === specKey(wanted));
}

async function loadTerm(term: TermRecipe, key: string, shapes: TapShapes): Promise<Omit<LoadedTerm, 'from'>> {
  const { declaration, method } = await loadMethod(term);
  // A recipe is checked before a run starts, but a module may be another file on this machine.
  const [problem] = checkTerm(term, declaration, []);
  if (problem !== undefined) throw new StillhouseError('loss.invalid', `the term ${nameOfTerm(term)}: ${problem.text}`);
  const plan = planTerm(term, declaration, key);
  const needs = declaration.needs(plan.settings, shapes);
  return { plan, needs, method: declaration.adapts === true ? onAdapted(method) : method, isGathered: term.batch === 'gathered' };
}

async function loadMethod(term: TermRecipe): Promise<{ readonly declaration: LossDeclaration; readonly method: LossMethod }> {
  if (term.module !== undefined) {
    const { declaration, sum } = await importUserLoss(term.module);
    return { declaration, method: userMethod(term.module, { sum }) };
  }
  const entry = catalogueEntry(term.loss ?? '');
  if (typeof entry === 'string') throw new StillhouseError('loss.invalid', entry);
  return { declaration: entry.declaration, method: await entry.load() };
}
