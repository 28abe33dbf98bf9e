/**
 * The loss of a stage as data: the labels and the terms with their weights, knobs and settings, all defaults filled in; and
 * the value of each number at a moment of the stage. Pure, without tfjs.
 */

import { parse } from 'node:path';
import type { OtherSide, PeerRecipe, TermRecipe } from '../config/schema.js';
import { type StageMoment, type Variable, variableAt } from '../config/variable.js';
import type { LossDeclaration, TermSettings } from './loss-declaration.js';

export interface TermPlan {
  /** Unique in the stage: the name of the loss, with a number where the name is used again. */
  readonly key: string;
  readonly weight: Variable;
  readonly knobs: Readonly<Record<string, Variable>>;
  readonly settings: TermSettings;
}

export interface LossPlan {
  readonly labels: { readonly weight: Variable; readonly smoothing: number };
  readonly terms: readonly TermPlan[];
}

/** The loss section of a stage in its long form: `temperature` and `alpha` alone stand for plain distillation. */
export interface LongForm {
  readonly labels: LossPlan['labels'];
  readonly terms: readonly TermRecipe[];
}

/**
 * The short form with an `alpha` becomes (1 - alpha) labels + alpha hinton; that of a mutual stage, labels + weight hinton; one with
 * smoothing alone, the labels alone. `fromTeacher` adds a term of hinton from the teacher.
 */
export function longForm({ loss, fromTeacher }: Pick<PeerRecipe, 'loss' | 'fromTeacher'>): LongForm {
  const { labels, terms } = spelt(loss);
  return { labels, terms: fromTeacher === undefined ? terms : [...terms, { loss: 'hinton', from: 'teacher', ...fromTeacher }] };
}

/** The side that a term of this peer learns from. */
export function sideOf({ from }: TermRecipe, { others = [] }: Pick<PeerRecipe, 'others'>): OtherSide {
  return from ?? (others.length > 0 ? 'peers' : 'teacher');
}

function spelt(loss: PeerRecipe['loss']): LongForm {
  if ('terms' in loss) return { labels: loss.labels, terms: loss.terms };
  if ('target' in loss) {
    const { temperature, weight, labelSmoothing } = loss;
    return { labels: { weight: 1, smoothing: labelSmoothing }, terms: [{ loss: 'hinton', weight, temperature }] };
  }
  if (!('alpha' in loss)) return { labels: { weight: 1, smoothing: loss.labelSmoothing }, terms: [] };
  const { temperature, alpha, labelSmoothing } = loss;
  return {
    labels: { weight: complementOf(alpha), smoothing: labelSmoothing },
    terms: [{ loss: 'hinton', weight: alpha, temperature }],
  };
}

/** 1 - alpha at every moment. A schedule is a weighted mean of its two ends, so the ends of 1 - alpha have the same schedule. */
function complementOf(alpha: Variable): Variable {
  return typeof alpha === 'number' ? 1 - alpha : { ...alpha, from: 1 - alpha.from, to: 1 - alpha.to };
}

/** The plan of one term of the recipe. The term has passed term-check.ts. */
export function planTerm(term: TermRecipe, declaration: LossDeclaration, key: string): TermPlan {
  const { taps = [], flows = [] } = term;
  const pairs = flows.length > 0 ? flows : taps;
  const knobs = Object.entries(declaration.knobs).map(([name, knob]) => [name, (term[name] as Variable | undefined) ?? knob.default]);
  const constants = Object.entries(declaration.constants).map(([name, constant]) => [
    name,
    (term[name] as number | undefined) ?? constant.default,
  ]);
  return {
    key,
    weight: term.weight ?? declaration.weight,
    knobs: Object.fromEntries(knobs),
    settings: {
      taps,
      ...(flows.length > 0 ? { flows } : {}),
      weights: pairs.map((_, i) => term.weights?.[i] ?? 1),
      constants: Object.fromEntries(constants),
      ...(term.batch === 'gathered' ? { isGathered: true } : {}),
    },
  };
}

/**
 * A key for each term, for its numbers and its results: the loss's name, or the module's file name without its ending,
 * with a number where the name is used again (`hinton`, `hinton-2`).
 */
export function keysOfTerms(terms: readonly TermRecipe[]): readonly string[] {
  const taken = new Set([LABELS_KEY, PEERS_KEY]);
  return terms.map(({ loss, module = '' }) => {
    const name = loss ?? parse(module).name.replaceAll(/[^A-Za-z0-9_-]/g, '-');
    let key = name;
    for (let number = 2; taken.has(key); number++) key = `${name}-${number}`;
    taken.add(key);
    return key;
  });
}

/** The key of the part of a loss that compares with the labels. */
export const LABELS_KEY = 'labels';

/** The key of the numbers that say which peers have answered. */
const PEERS_KEY = 'peers';

/** The names of the numbers that say whether each of so many peers has answered, and of the share of each in their mean. */
export function answeredNames(count: number): { readonly each: readonly string[]; readonly share: string } {
  return { each: Array.from({ length: count }, (_, i) => knobName(PEERS_KEY, `answered${i}`)), share: knobName(PEERS_KEY, 'share') };
}

/** Those numbers, for a loss that learns from the peers that have answered. */
export function answeredKnobs(answered: readonly boolean[]): Readonly<Record<string, number>> {
  const { each, share } = answeredNames(answered.length);
  const count = answered.filter(Boolean).length;
  return { ...Object.fromEntries(each.map((name, i) => [name, answered[i] === true ? 1 : 0])), [share]: count === 0 ? 0 : 1 / count };
}

/** The name under which a number of the loss reaches the arithmetic. */
export function knobName(key: string, knob: string): string {
  return `${key}.${knob}`;
}

/** Every number of the loss that may change, at this moment of the stage; the names are always the same. */
export function lossKnobsAt({ labels, terms }: LossPlan, moment: StageMoment): Readonly<Record<string, number>> {
  const values: Record<string, number> = { [knobName(LABELS_KEY, 'weight')]: variableAt(labels.weight, moment) };
  for (const { key, weight, knobs } of terms) {
    values[knobName(key, 'weight')] = variableAt(weight, moment);
    for (const [name, knob] of Object.entries(knobs)) values[knobName(key, name)] = variableAt(knob, moment);
  }
  return values;
}
