/**
 * The things that a run rests on: its recipe, the content of its splits, and the modules of its user. They are kept when the run begins,
 * and compared when it goes on: parameters that were trained on one thing are never trained further on another unsaid.
 */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { formatPath, keysOf, type Path, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { needsOf, stageOrder } from '../config/stage-graph.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { fingerprintSplit } from '../data/dataset.js';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { type UserModule, userModules } from './user-fault.js';

export interface Basis {
  /** The resolved recipe. */
  readonly recipe: Recipe;
  /** The fingerprint of each split (src/data/fingerprint.ts). */
  readonly splits: Readonly<Record<string, string>>;
  /** The SHA-256 of each module of the user's, by its place in the recipe. */
  readonly modules: Readonly<Record<string, string>>;
}

const digits = z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/));
/** The recipe in it is only compared, so its own schema does not matter here. */
const basisSchema = z.strictObject({ recipe: z.looseObject({}), splits: digits, modules: digits });

/** The basis of a recipe with the files as they are now. Reads the data where no earlier fingerprint is known. Throws data.missing, data.damaged, model.invalid and loss.invalid. */
export async function basisOf(recipe: Recipe): Promise<Basis> {
  const splits: Record<string, string> = {};
  for (const name of Object.keys(recipe.data.splits)) splits[name] = await fingerprintSplit(recipe.data, name);
  const modules: Record<string, string> = {};
  for (const own of userModules(recipe)) modules[own.place] = await digestOf(own);
  return { recipe, splits, modules };
}

/** The part of it that other processes compare with their own files. */
export function digestsOf({ splits, modules }: Basis): Pick<Basis, 'splits' | 'modules'> {
  return { splits, modules };
}

/** The text of a file that keeps the basis. */
export function spellBasis(basis: Basis): string {
  return `${JSON.stringify(basis, null, 1)}\n`;
}

/** The basis that such a file keeps; null when the text is none. */
export function parseBasis(text: string): Basis | null {
  try {
    const parsed = basisSchema.parse(JSON.parse(text));
    return { ...parsed, recipe: parsed.recipe as unknown as Recipe };
  } catch {
    return null;
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
}

export interface BasisComparison {
  /** The changes that a run cannot go on with. */
  readonly refused: readonly BasisChange[];
  /** The changes that it can. */
  readonly allowed: readonly BasisChange[];
  /** The stages that have more epochs than before. */
  readonly longer: readonly string[];
}

/** Compares the basis of a run with that of its continuation. Pure. */
export function compareBases(before: Basis, now: Basis): BasisComparison {
  const changes = differences(before.recipe, now.recipe, []);
  const [allowed, refused] = [changes.filter(isFree), changes.filter((change) => !isFree(change))];
  const content = [
    ...digestChanges(before.splits, now.splits, (name) => `the content of the split ${name}`),
    ...digestChanges(before.modules, now.modules, (place) => `the content of the module of ${place}`),
  ];
  const longer = allowed.flatMap(({ path: [top, stage, key], before: old }) =>
    top === 'stages' && key === 'epochs' && old !== undefined ? [String(stage)] : [],
  );
  return { refused: [...refused.map(spell), ...content], allowed: allowed.map(spell), longer };
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

/** Enough digits of a digest to tell two apart. */
const DIGITS_SHOWN = 12;

function digestChanges(
  before: Readonly<Record<string, string>>,
  now: Readonly<Record<string, string>>,
  nameOf: (key: string) => string,
): readonly BasisChange[] {
  return Object.entries(before).flatMap(([key, old]) => {
    const present = now[key];
    if (present === undefined || present === old) return [];
    return [{ place: nameOf(key), before: old.slice(0, DIGITS_SHOWN), now: present.slice(0, DIGITS_SHOWN) }];
  });
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
