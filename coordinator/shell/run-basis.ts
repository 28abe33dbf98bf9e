/**
 * The file of a run that keeps its basis (src/recipe/basis.ts): written when the run begins, compared when it goes on, and written again
 * with the changes that are allowed.
 */

import { existsSync } from 'node:fs';
import { valueAt } from '../../src/config/problem.js';
import type { Recipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import {
  type Basis,
  type BasisChange,
  compareBases,
  type KeptBasis,
  readBasis,
  spellBasis,
  stagesToReopen,
} from '../../src/recipe/basis.js';
import { copyOf, moduleOption } from '../../src/recipe/module-copy.js';
import { stretchedSchedules } from '../../src/recipe/stretched-schedule.js';
import { userModules } from '../../src/recipe/user-fault.js';
import { writeFileAtomic } from './atomic-file.js';
import { keepModules } from './module-copies.js';
import { type RunFolder, writeConfig } from './run-folder.js';
import type { RunProgress } from './run-progress.js';

/** A run that goes on, with what has changed. */
export interface Continuation {
  /** In words; empty when nothing has changed. */
  readonly changes: readonly string[];
  /** The finished stages that are to go on, or to be done again. */
  readonly reopened: readonly string[];
  /** The basis that it goes on with, and whether the folder keeps all of that already. */
  readonly basis: Basis;
  readonly isKept: boolean;
}

/** Keeps the basis of a run, and copies of its modules. Throws `run.unwritable`, and model.invalid or loss.invalid where a module has changed since. */
export async function keepBasis(folder: RunFolder, basis: Basis): Promise<void> {
  await keepModules(folder.path, basis);
  await writeFileAtomic(folder.basis, spellBasis({ ...basis, home: folder.path }));
}

/** A run that is to go on. */
export interface ContinuedRun extends RunProgress {
  /** The basis that it would go on with. */
  readonly basis: Basis;
}

/**
 * Compares what the run in this folder rests on with what it would go on with. Writes nothing. Throws `run.invalid`, with the old and the new
 * values, when it cannot go on with them, or when what it began with cannot be read.
 */
export function compareBasis(folder: RunFolder, { basis: now, done, begun }: ContinuedRun): Continuation {
  const { recipe } = now;
  const before = readBasis(folder.basis);
  if (before === null) {
    const changes = ['the run kept nothing to compare with: its recipe and data are taken as they are'];
    return { changes, reopened: [], basis: now, isKept: false };
  }
  const { refused, allowed, longer } = compareBases(before, { ...now, home: folder.path }, begun);
  if (refused.length > 0) throw changed(folder, before, refused);
  const reopened = reopen(folder, recipe, { longer: longer.filter((stage) => done.has(stage)), done });
  const stretched = longer.flatMap((stage) =>
    stretchedSchedules(recipe, stage, Number(valueAt(before.recipe, ['stages', stage, 'epochs']))),
  );
  const basis = joined(before, now);
  return {
    changes: [...allowed.map(({ place, before: old, now: value }) => `${place} was ${old}, and is ${value}`), ...stretched],
    reopened,
    basis,
    isKept: spellBasis({ ...basis, home: folder.path }) === spellBasis(before),
  };
}

/** Keeps the recipe with which the run goes on, and its basis. */
export async function renewBasis(folder: RunFolder, basis: Basis): Promise<void> {
  await writeConfig(folder, basis.recipe);
  await keepBasis(folder, basis);
}

/** The basis that the run goes on with, and the facts that it knew before: an older run, or one that was begun with --quick, kept less; and its caller may know less now. */
function joined(before: KeptBasis, now: Basis): Basis {
  return { ...now, models: { ...before.models, ...now.models }, training: { ...before.training, ...now.training } };
}

function changed(folder: RunFolder, kept: KeptBasis, changes: readonly BasisChange[]): StillhouseError {
  const lines = changes.map((change) => `\n  ${change.place} was ${change.before}, and is ${change.now}${copyText(folder, kept, change)}`);
  const mend =
    'Put them back, or begin a new run. Workers, engine, evaluateEvery, checkpointEvery, places of files and the code of a model that computes the same may change, epochs may rise, stages be added, and one that has not tested or exported yet may take another model';
  return new StillhouseError('run.invalid', `the run cannot go on with other values than it began with:${lines.join('')}\n${mend}`, {
    file: folder.config,
  });
}

/** Where the module is with which the run began, if a module has changed. */
function copyText({ path }: RunFolder, { recipe, modules }: KeptBasis, { module }: BasisChange): string {
  const own = userModules(recipe).find(({ place }) => place === module);
  const digest = own === undefined ? undefined : modules[own.place];
  if (own === undefined || digest === undefined) return '';
  const copy = copyOf(path, { file: own.file, digest });
  return existsSync(copy) ? `. The run has the module as it was: ${moduleOption(own.place, copy)}` : '';
}

/** The finished stages that are to go on. Throws `run.invalid` where that cannot be done. */
function reopen(
  folder: RunFolder,
  recipe: Recipe,
  { longer, done }: { readonly longer: readonly string[]; readonly done: ReadonlySet<string> },
): readonly string[] {
  const [stage, other] = longer;
  if (stage === undefined) return [];
  const refuse = (why: string): StillhouseError =>
    new StillhouseError('run.invalid', `the stage ${stage} is finished, and cannot get more epochs: ${why}`, { file: folder.config });
  if (other !== undefined) throw refuse(`nor can ${other} at the same time. Give them to one finished stage at a time`);
  const unfinished = Object.keys(recipe.stages).filter((name) => !done.has(name));
  const stages = stagesToReopen(recipe, [stage]);
  if (stages === null) throw refuse('another model has learned from it. Begin a new run');
  if (unfinished.some((name) => !stages.includes(name))) throw refuse('the run is not finished. Resume it to its end first');
  return stages;
}
