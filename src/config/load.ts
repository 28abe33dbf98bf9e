/**
 * Makes a recipe from a recipe file. Every problem of the file is in one error, each with its line
 * and column. Relative paths of the recipe start from the recipe's folder, and so do those of overrides, unless the caller says otherwise.
 */

import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LIMITS } from '../base/limits.js';
import { splitSuggestion } from '../base/nearest.js';
import { type ErrorProblem, hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { checkReferences, checkValues } from './cross-check.js';
import { mapFilePaths } from './file-path.js';
import { type PlacedRecipe, withLoadStages } from './outside-model.js';
import { applyOverride, type Override } from './override.js';
import { studentsOf } from './peer.js';
import { formatPath, keysOf, type Path, type Problem, replaceAt, valueAt } from './problem.js';
import type { Recipe } from './schema.js';
import { type Checked, checkShape } from './schema-problem.js';
import { type Place, parseYaml, type YamlSource } from './yaml-source.js';

/** More than twice the bytes that a recipe may take in a message. The search for duplicate keys takes time with the square of their number. */
const FILE_BYTES_MAX = 128 * 1024;
/** The recipe in the folder of a run, with its defaults. */
export const CONFIG_FILE = 'config.resolved.yaml';
/** The number of problems that are shown; the others are only counted, because more at once do not help. */
const PROBLEMS_SHOWN = 50;

/** Checks that need to know data, models or losses, which this room does not. See src/recipe. */
export interface RecipeChecks {
  /** Checks the recipe as it was written, whatever its shape, with absolute paths. */
  written(root: unknown): Promise<readonly Problem[]>;
  /** Checks a recipe whose shape is right, with absolute paths, and fills in the defaults that its schema does not know. */
  complete(recipe: Recipe): Promise<CompletedRecipe>;
}

export interface CompletedRecipe {
  readonly recipe: Recipe;
  readonly problems: readonly Problem[];
}

export interface LoadOptions {
  /** Overrides of the command line, `a.b=c`. */
  readonly set?: readonly string[];
  /** The folder from which relative paths of overrides start; the recipe's folder when left out. */
  readonly setFolder?: string;
  /** Says where a file lies now: asked for each path (absolute) of the recipe's file that no override replaces. May throw. */
  readonly findPath?: (path: string, place: Path) => string;
  readonly checks?: RecipeChecks;
  /** Problems below this path are not reported: the caller does not use that part. */
  readonly unused?: Path;
}

/**
 * Reads, overrides, checks and completes a recipe. Throws recipe.unreadable (no such file, too large, not YAML),
 * recipe.invalid (all problems, the first in `details`) or usage.invalid (an override that makes no sense).
 */
export async function loadRecipe(file: string, options: LoadOptions = {}): Promise<Recipe> {
  return (await loadPlacedRecipe(file, options)).recipe;
}

/** The same, with the places of the models from outside. */
export async function loadPlacedRecipe(file: string, options: LoadOptions = {}): Promise<PlacedRecipe> {
  const source = parseYaml(await readText(file), file);
  const { value, overrides } = override(source.value, dirname(resolve(file)), options);
  const areNamesKnown = !NAMED_MAPS.some((path) => source.hasDuplicate(path));
  const checked = await check(value, { ...options, areNamesKnown });
  const problems = 'problems' in checked ? checked.problems : [];
  const findings = [
    ...source.duplicates.map(({ place, path }) => ({ place, path, text: `${formatPath(path)}: this key is in the same map twice` })),
    ...problems.map((problem) => locate(problem, source, overrides)),
  ];
  if (findings.length > 0 || 'problems' in checked) throw invalid(file, findings);
  recipeJson(checked.value.recipe);
  return checked.value;
}

/** The place of a value in the recipe's file, for problems that show only when the value is used. */
export async function locateInRecipe(file: string, path: Path): Promise<Place> {
  return parseYaml(await readText(file), file).placeOf(path, 'value');
}

/** A recipe from the JSON that recipeJson made, checked as a file is. Throws recipe.invalid. */
export function parseRecipe(json: string): Recipe {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new StillhouseError('recipe.invalid', `the recipe is not JSON: ${messageOf(error)}`, { cause: error });
  }
  const shape = isEmpty(value) ? EMPTY : checkShape(value);
  const problems = 'problems' in shape ? shape.problems : [...checkReferences(value), ...checkValues(shape.value)];
  if (!('problems' in shape) && problems.length === 0) return withStudents(shape.value);
  throw new StillhouseError('recipe.invalid', problems.map((problem) => problem.text).join('\n'));
}

/** A recipe in the form in which it is sent to workers. Throws recipe.invalid when it is too large for a message. */
export function recipeJson(recipe: Recipe): string {
  const json = JSON.stringify(recipe);
  const bytes = Buffer.byteLength(json);
  if (bytes <= LIMITS.recipeBytes) return json;
  throw new StillhouseError('recipe.invalid', `the recipe with its defaults takes ${bytes} bytes, of at most ${LIMITS.recipeBytes}`, {
    hint: 'Split it into several runs',
  });
}

/** The maps whose keys other parts of a recipe name. */
const NAMED_MAPS: readonly Path[] = [['stages'], ['models'], ['data', 'splits']];
const NO_CHECKS: RecipeChecks = { written: async () => [], complete: async (recipe) => ({ recipe, problems: [] }) };
const EMPTY: { readonly problems: readonly Problem[] } = { problems: [{ path: [], at: 'value', text: 'the recipe is empty' }] };

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined;
}

/** The recipe of a file in this folder with its overrides, and with absolute paths. */
function override(
  written: unknown,
  folder: string,
  { set = [], setFolder = folder, findPath }: Pick<LoadOptions, 'set' | 'setFolder' | 'findPath'>,
): { readonly value: unknown; readonly overrides: readonly Override[] } {
  const own = mapFilePaths(written, (path) => resolve(folder, path));
  const overrides: Override[] = [];
  let value = own;
  for (const text of set) {
    const applied = applyOverride(value, text);
    value = applied.value;
    overrides.push(applied.override);
  }
  const find = (path: string, place: Path): string =>
    findPath !== undefined && valueAt(own, place) === path ? findPath(path, place) : resolve(setFolder, path);
  return { value: mapFilePaths(value, find), overrides };
}

async function check(
  value: unknown,
  { checks = NO_CHECKS, unused, areNamesKnown }: Pick<LoadOptions, 'checks' | 'unused'> & { readonly areNamesKnown: boolean },
): Promise<Checked<PlacedRecipe>> {
  if (isEmpty(value)) return EMPTY;
  const shape = checkShape(value);
  // Of two entries with one name, the other name may be the one that is looked for.
  const written = [...(areNamesKnown ? checkReferences(value) : []), ...(await checks.written(value))];
  const completed = async (part: Recipe): Promise<CompletedRecipe & PlacedRecipe> => {
    const { recipe: whole, places } = withLoadStages(withStudents(part));
    const { recipe, problems } = await checks.complete(whole);
    return { recipe, places, problems: [...problems, ...checkValues(recipe)] };
  };
  if ('problems' in shape) {
    const sound = soundPart(value, shape.problems);
    return { problems: [...shape.problems, ...written, ...(sound === null ? [] : (await completed(sound)).problems)] };
  }
  const { recipe, places, problems } = await completed(shape.value);
  const isUsed = ({ path }: Problem): boolean => unused === undefined || !unused.every((key, i) => path[i] === key);
  const all = [...written, ...problems].filter(isUsed);
  return all.length > 0 ? { problems: all } : { value: { recipe, places } };
}

/** The recipe without the stages, models and sections whose shape is wrong, so that they do not hide other mistakes; null when too little is left. */
function soundPart(value: unknown, problems: readonly Problem[]): Recipe | null {
  const sound = problems.reduce((rest, { path }) => withoutEntry(rest, path), value);
  const shape = checkShape(sound);
  return 'problems' in shape || keysOf(shape.value.stages).length === 0 ? null : shape.value;
}

function withoutEntry(root: unknown, path: Path): unknown {
  const [section = '', name] = path;
  const isNamed = (section === 'stages' || section === 'models') && name !== undefined;
  const place = isNamed ? [section] : [];
  const map = valueAt(root, place);
  const key = String(isNamed ? name : section);
  return replaceAt(root, place, Object.fromEntries(Object.entries(map ?? {}).filter(([other]) => other !== key)));
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, of at most ${FILE_BYTES_MAX}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const hint = existsSync(join(file, CONFIG_FILE)) ? { hint: 'It is the folder of a run: `stillhouse resume` continues it' } : {};
    throw new StillhouseError('recipe.unreadable', `the recipe cannot be read: ${whyUnreadable(error)}`, { file, cause: error, ...hint });
  }
}

/** The reason in words. The usual mistakes are named without a system call. */
function whyUnreadable(error: unknown): string {
  if (hasCode(error, 'ENOENT')) return 'there is no such file';
  if (hasCode(error, 'EISDIR')) return 'this is a folder, not a file';
  if (hasCode(error, 'ERR_ENCODING_INVALID_ENCODED_DATA')) return 'it is not text in UTF-8. Save it as UTF-8';
  return messageOf(error);
}

interface Finding {
  /** The place in the file, or the override that brought the problem. */
  readonly place: Place | Override;
  readonly path: Path;
  readonly text: string;
}

function locate(problem: Problem, source: YamlSource, overrides: readonly Override[]): Finding {
  const override = overrides.findLast(({ path }) => path.every((part, index) => String(part) === String(problem.path[index])));
  return { place: override ?? source.placeOf(problem.path, problem.at), path: problem.path, text: problem.text };
}

function invalid(file: string, findings: readonly Finding[]): StillhouseError {
  const shown = [...findings].sort((a, b) => lineOf(a) - lineOf(b)).slice(0, PROBLEMS_SHOWN);
  const [first, ...others] = shown;
  const problems = shown.map((finding) => detailsOf(file, finding));
  const rest = others.map(({ place, text }) =>
    'line' in place ? `${file}:${place.line}:${place.column}: ${text}` : `${place.text}: ${text}`,
  );
  if (findings.length > PROBLEMS_SHOWN) rest.push(`and ${findings.length - PROBLEMS_SHOWN} more`);
  const { place, text } = first ?? { place: { line: 1, column: 1 }, text: 'the recipe is empty' };
  const what = [text, ...rest].join('\n');
  if ('line' in place) return new StillhouseError('recipe.invalid', what, { file, line: place.line, column: place.column, problems });
  return new StillhouseError('recipe.invalid', `${place.text}: ${what}`, { problems });
}

/** A mistake as programs read it. */
function detailsOf(file: string, { place, path, text }: Finding): ErrorProblem {
  const { what, suggestion } = splitSuggestion(text);
  return {
    ...('line' in place ? { file, line: place.line, column: place.column } : { option: place.text }),
    path: formatPath(path),
    message: what,
    ...(suggestion === null ? {} : { hint: suggestion }),
  };
}

function lineOf({ place }: Finding): number {
  return 'line' in place ? place.line : Number.POSITIVE_INFINITY;
}

/** The default that the schema alone does not know. */
function withStudents(recipe: Recipe): Recipe {
  return { ...recipe, workers: { ...recipe.workers, students: studentsOf(recipe) } };
}
