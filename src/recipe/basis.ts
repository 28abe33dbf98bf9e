/**
 * The things that a run rests on: its recipe, the content of its splits, the structure of its models, and the modules of its user. They are
 * kept when the run begins, and compared when it goes on: parameters that were trained on one thing are never trained further on another unsaid.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { present } from '../base/assert.js';
import { formatPath, keysOf, type Path, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { needsOf, stageOrder } from '../config/stage-graph.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { fingerprintSplit } from '../data/dataset.js';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { type GivenTraining, givenTrainingSchema } from '../protocol/training-split.js';
import type { ModelStructure } from '../tensor/model-structure.js';
import { stageOfLoss, type UserModule, userModules } from './user-fault.js';

export interface Basis {
  /** The resolved recipe. */
  readonly recipe: Recipe;
  /** The fingerprint of each split (src/data/fingerprint.ts). */
  readonly splits: Readonly<Record<string, string>>;
  /** The SHA-256 of each module of the user's, by its place in the recipe. */
  readonly modules: Readonly<Record<string, string>>;
  /** The structure of each model, by its name in the recipe; empty where nobody has built them. */
  readonly models: Readonly<Record<string, ModelStructure>>;
  /** The facts that are known of the images that the models from outside were trained on. It is kept, and not compared. */
  readonly training: GivenTraining;
}

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const digests = z.record(z.string(), digest);
/** The structures of models by their names, as they are passed between processes and kept. */
export const structuresSchema = z.record(
  z.string(),
  z.strictObject({ digest, layers: z.int().min(0), parameters: z.int().min(0) }),
) satisfies z.ZodType<Basis['models']>;
/** The recipe in it is only compared, so its own schema does not matter here. A run of before has less in it. */
const basisSchema = z.strictObject({
  home: z.string().nullable().default(null),
  recipe: z.looseObject({ models: z.record(z.string(), z.unknown()), stages: z.record(z.string(), z.unknown()) }),
  splits: digests,
  modules: digests,
  models: structuresSchema.default({}),
  training: givenTrainingSchema.default({}),
});

/** A basis as the folder of a run keeps it. */
export interface KeptBasis extends Basis {
  /** The absolute path of that folder when the basis was written: the places of files are known from there. Null: not known. */
  readonly home: string | null;
}

/** The facts that a caller knows of the models of a recipe; left out where it has not looked. */
interface KnownOfModels {
  readonly models?: Basis['models'] | undefined;
  readonly training?: Basis['training'] | undefined;
}

/** The basis of a recipe, its models and their training with the files as they are now. Reads the data where no earlier fingerprint is known. Throws data.missing, data.damaged, model.invalid and loss.invalid. */
export async function basisOf(recipe: Recipe, { models = {}, training = {} }: KnownOfModels = {}): Promise<Basis> {
  const splits: Record<string, string> = {};
  for (const name of Object.keys(recipe.data.splits)) splits[name] = await fingerprintSplit(recipe.data, name);
  const modules: Record<string, string> = {};
  for (const own of userModules(recipe)) modules[own.place] = await digestOf(own);
  return { recipe, splits, modules, models, training };
}

/** The part of it that other processes compare with their own files. */
export function digestsOf({ splits, modules }: Basis): Pick<Basis, 'splits' | 'modules'> {
  return { splits, modules };
}

/** The text of a file that keeps the basis. */
export function spellBasis({ home, recipe, splits, modules, models, training }: KeptBasis): string {
  return `${JSON.stringify({ home, recipe, splits, modules, models, training }, null, 1)}\n`;
}

/** The basis that this file keeps; null when there is no such file: an old run kept none. Throws `run.invalid` when it cannot be read, or is damaged. */
export function readBasis(file: string): KeptBasis | null {
  try {
    const { recipe, ...rest } = basisSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return { ...rest, recipe: recipe as unknown as Recipe };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    const isUnread = error instanceof Error && 'syscall' in error;
    const what = 'so nothing says with which recipe, images, models and modules the run began';
    throw new StillhouseError('run.invalid', `this file ${isUnread ? `cannot be read (${messageOf(error)})` : 'is damaged'}, ${what}`, {
      file,
      hint: 'Put back a whole copy of it. Where there is none and you know that nothing has changed, delete it: the run then goes on with what is there now, and compares nothing',
      cause: error,
    });
  }
}

/** The SHA-256 of a module's file. Throws model.invalid or loss.invalid when it cannot be read. */
export async function digestOf({ place, file, code }: UserModule): Promise<string> {
  try {
    return createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
  } catch (error) {
    const what = hasCode(error, 'ENOENT') ? 'there is no such module' : 'this module cannot be read';
    throw new StillhouseError(code, what, { file, hint: `Put it back, or name it anew in ${place}`, cause: error });
  }
}

/** A thing that is not as it was. */
export interface BasisChange {
  readonly place: string;
  readonly before: string;
  readonly now: string;
  /** The place in the recipe of the module that has changed it. */
  readonly module?: string;
}

export interface BasisComparison {
  /** The changes that a run cannot go on with. */
  readonly refused: readonly BasisChange[];
  /** The changes that it can. */
  readonly allowed: readonly BasisChange[];
  /** The stages that have more epochs than before. */
  readonly longer: readonly string[];
}

/** Compares the basis of a run with that of its continuation. `begun`: the stages of which trained parameters are kept. Pure. */
export function compareBases(before: KeptBasis, now: KeptBasis, begun: ReadonlySet<string>): BasisComparison {
  const changes = differences(before.recipe, now.recipe, []);
  const isMoved = before.home !== null && before.home !== now.home;
  const moved = isMoved ? [{ place: "the run's folder", before: String(before.home), now: String(now.home) }] : [];
  const mayDiffer = (change: Difference) => isFree(change) || isChoiceOf(change, begun);
  const [allowed, refused] = [changes.filter(mayDiffer), changes.filter((change) => !mayDiffer(change))];
  const restructured = Object.keys(before.models).filter((name) => isOther(before.models[name]?.digest, now.models[name]?.digest));
  const modules = digestChanges(before.modules, now.modules)
    // The change of what a model computes says more.
    .filter(({ key }) => !restructured.includes(modelAt(key) ?? ''))
    .map(({ key, ...digits }) => ({ place: `the content of the module of ${key}`, ...digits, module: key }));
  const mended = modules.filter(({ module }) => mayChange(module, { before, now, begun }));
  const content = [
    ...digestChanges(before.splits, now.splits).map(({ key, ...digits }) => ({ place: `the content of the split ${key}`, ...digits })),
    ...restructured.map((name) => structureChange(name, before, now)),
    ...modules.filter((change) => !mended.includes(change)),
  ];
  const longer = allowed.flatMap(({ path: [top, stage, key], before: old }) =>
    top === 'stages' && key === 'epochs' && old !== undefined ? [String(stage)] : [],
  );
  return { refused: [...refused.map(spell), ...content], allowed: [...moved, ...allowed.map(spell), ...mended], longer };
}

interface Difference {
  readonly path: Path;
  /** Undefined where there is no such value. */
  readonly before: unknown;
  readonly now: unknown;
}

function differences(before: unknown, now: unknown, path: Path): readonly Difference[] {
  if (JSON.stringify(before) === JSON.stringify(now)) return [];
  const isList = Array.isArray(before) && Array.isArray(now);
  const areMaps = isMap(before) && isMap(now);
  if (!areMaps && !(isList && before.length === now.length)) return [{ path, before, now }];
  if (isList) return before.flatMap((value, i) => differences(value, now[i], [...path, i]));
  const keys = [...new Set([...keysOf(before), ...keysOf(now)])];
  return keys.flatMap((key) => differences(valueAt(before, [key]), valueAt(now, [key]), [...path, key]));
}

function isMap(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Maps to which a run may get new entries. */
const OPEN_MAPS: readonly unknown[] = ['stages', 'models'];
/** Keys of a stage that say how often something is done, and change no parameter. */
const FREE_KEYS: readonly unknown[] = ['evaluateEvery', 'checkpointEvery'];

/** Whether a run may go on with another value here. Files may lie elsewhere: their content is compared by itself. */
function isFree({ path, before, now }: Difference): boolean {
  const [top, name, key] = path;
  if (top === 'workers' || top === 'engine' || top === 'name') return true;
  if (top === 'data' && name === 'path') return true;
  if (path.at(-1) === 'module' && before !== undefined && now !== undefined) return true;
  if (path.length === 2 && OPEN_MAPS.includes(top)) return before === undefined;
  if (path.length === 3 && top === 'data' && name === 'splits') return before === undefined;
  if (path.length !== 3 || top !== 'stages') return false;
  return FREE_KEYS.includes(key) || (key === 'epochs' && Number(now) > Number(before));
}

/** Whether it is the model that a stage tests or exports which has not done so: nothing rests on that yet. */
function isChoiceOf({ path: [top, stage, key] }: Difference, begun: ReadonlySet<string>): boolean {
  return top === 'stages' && key === 'of' && !begun.has(String(stage));
}

/**
 * Whether a run may go on with other content of the module at this place: a model's, if it computes the same, because its parameters are
 * kept; a loss's, as long as nothing is kept that was trained with it.
 */
function mayChange(
  place: string,
  { before, now, begun }: { readonly before: Basis; readonly now: Basis; readonly begun: ReadonlySet<string> },
): boolean {
  const model = modelAt(place);
  if (model === null) return !begun.has(stageOfLoss(place));
  return before.models[model] !== undefined && before.models[model].digest === now.models[model]?.digest;
}

/** The name of the model at this place of the recipe; null for a loss. */
function modelAt(place: string): string | null {
  return place.startsWith('models.') ? place.slice('models.'.length) : null;
}

function structureChange(name: string, before: Basis, now: Basis): BasisChange {
  const place = `models.${name}`;
  const texts = { before: spellStructure(before.models[name]), now: spellStructure(now.models[name]) };
  return { place: `the structure of the model ${name}`, ...texts, ...(Object.hasOwn(before.modules, place) ? { module: place } : {}) };
}

function spellStructure(structure: ModelStructure | undefined): string {
  const { digest: own, layers, parameters } = present(structure, 'a structure');
  return `${layers} layers, ${parameters.toLocaleString('en-US')} parameters (${own.slice(0, DIGITS_SHOWN)})`;
}

/** Enough digits of a digest to tell two apart. */
const DIGITS_SHOWN = 12;

type Digests = Readonly<Record<string, string>>;

function digestChanges(before: Digests, now: Digests): readonly { readonly key: string; readonly before: string; readonly now: string }[] {
  return Object.entries(before).flatMap(([key, old]) => {
    const own = now[key];
    return own === undefined || own === old ? [] : [{ key, before: old.slice(0, DIGITS_SHOWN), now: own.slice(0, DIGITS_SHOWN) }];
  });
}

/** Whether both are known, and are not the same. */
function isOther(before: string | undefined, now: string | undefined): boolean {
  return before !== undefined && now !== undefined && before !== now;
}

function spell({ path, before, now }: Difference): BasisChange {
  return { place: formatPath(path), before: spellValue(before), now: spellValue(now) };
}

function spellValue(value: unknown): string {
  if (value === undefined) return 'left out';
  return isMap(value) && keysOf(value).length > 1 ? 'there' : JSON.stringify(value);
}

/**
 * The stages to be done again where these finished ones have more epochs now: they, and those that measure or export their models. Null for
 * one that other models have learned from: they would rest on parameters that are no more.
 */
export function stagesToReopen(recipe: Recipe, longer: readonly string[]): readonly string[] | null {
  const reopened = new Set(longer);
  for (let isGrowing = true; isGrowing; ) {
    isGrowing = false;
    for (const [name, stage] of Object.entries(recipe.stages)) {
      if (reopened.has(name) || !needsOf(stage).some((need) => reopened.has(need))) continue;
      if (isTrainingStage(stage)) return null;
      reopened.add(name);
      isGrowing = true;
    }
  }
  return stageOrder(recipe).filter((name) => reopened.has(name));
}
