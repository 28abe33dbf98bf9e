/** The plan of a run for tests of the coordinator's core: one model, splits `all` and `test`, and no data behind them. */

import type { RunPlan, Timing } from '../../coordinator/core/types.js';
import { asTerm } from '../../src/base/ids.js';
import { type FinishedRecipe, recipeSchema } from '../../src/config/schema.js';

/** The hash of the model from outside. */
export const GIVEN_HASH = 'cd'.repeat(32);

export interface CorePlanOptions {
  readonly run: string;
  /** Samples of the split `all`, which is trained on, and rows of `test`. */
  readonly size: number;
  readonly rows: number;
  readonly training: {
    readonly epochs: number;
    readonly batch: number;
    readonly every: number;
    readonly evaluateEvery: number;
    readonly checkpointEvery: number;
  };
  readonly students: number;
  /** With a stage `taught` after the stage `base`, which teaches it. */
  readonly isTaught: boolean;
  /** A loss of the stage `base` is over the batch of all its students. */
  readonly isGathered?: boolean;
  /** `base` is a mutual stage of so many peers, `p0`, `p1` and so on, each with so many students. */
  readonly cohort?: { readonly peers: number; readonly replicas: number };
  /** With a stage `out` that exports this model. */
  readonly exported: FinishedRecipe | null;
  /** With a stage `given` that takes a model from outside, with which `base` begins. */
  readonly isGiven?: boolean;
  /** With a stage `again` that tests this model; none when it is left out. */
  readonly tested?: FinishedRecipe;
  /** The accuracy that guessing reaches on `test`; nobody knows it when it is left out. */
  readonly guess?: number | undefined;
  readonly timing: Timing;
}

/** A plan of term 1. */
export function corePlan(options: CorePlanOptions): RunPlan {
  const { run, size, rows, students, isTaught, cohort, exported, tested, isGiven = false, isGathered = false, guess, timing } = options;
  const gathered = { loss: { terms: [{ module: '/relation.mjs', batch: 'gathered' }] } };
  const training = { model: 'net', on: 'all', test: 'test', optimizer: { name: 'sgd', rate: 0.1 }, ...options.training };
  const recipe = recipeSchema.parse({
    name: run,
    data: {
      format: 'idx',
      path: '/data',
      normalise: { mean: [0], std: [1] },
      splits: { all: { part: 'train' }, test: { part: 'test' } },
    },
    models: { net: { name: 'net' } },
    stages: {
      ...(isGiven ? { given: { kind: 'load', from: { file: '/model.json' }, test: 'test' } } : {}),
      base:
        cohort === undefined
          ? { kind: 'train', ...training, ...(isGiven ? { init: 'given' } : {}), ...(isGathered ? gathered : {}) }
          : { kind: 'mutual', ...training, ...cohortOf(cohort) },
      ...(isTaught ? { taught: { kind: 'distil', teacher: 'base', loss: {}, ...training } } : {}),
      ...(tested === undefined ? {} : { again: { kind: 'evaluate', of: tested, test: 'test' } }),
      ...(exported === null ? {} : { out: { kind: 'export', of: exported } }),
    },
    workers: { students, teachers: 1 },
  });
  const splitSizes = { all: size, test: rows };
  return {
    run,
    term: asTerm(1),
    recipe,
    recipeJson: '{}',
    dataEndpoint: 'inproc://data',
    digests: { splits: {}, modules: {} },
    given: isGiven ? { given: { stage: 'given', round: 1, ranges: [], hashes: { model: GIVEN_HASH } } } : {},
    splitSizes,
    guesses: guess === undefined ? {} : { test: { share: guess, most: guess } },
    isForced: false,
    timing,
  };
}

function cohortOf({ peers, replicas }: { readonly peers: number; readonly replicas: number }): object {
  return { peers: Object.fromEntries(Array.from({ length: peers }, (_, i) => [`p${i}`, {}])), replicas };
}
