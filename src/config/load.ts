/**
 * From a recipe file to a recipe that holds together. Every problem of the file is in one error, each with its line
 * and column. Relative paths of the recipe are taken from the recipe's folder.
 */

import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { LIMITS } from '../base/limits.js';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { checkReferences, checkValues } from './cross-check.js';
import { applyOverride, type Override } from './override.js';
import type { Path, Problem } from './problem.js';
import type { Recipe } from './schema.js';
import { checkShape } from './schema-problem.js';
import { type Place, parseYaml, type YamlSource } from './yaml-source.js';

/** More than twice what a recipe may take on the wire; finding keys that are there twice takes time with the square. */
const FILE_BYTES_MAX = 128 * 1024;
/** More problems than that at once help nobody. */
const PROBLEMS_SHOWN = 50;

/** Checks by what the recipe's own room does not know: data, models, losses. See src/recipe. */
export interface RecipeChecks {
  /** Of the recipe as it was written, whatever its shape. */
  written(root: unknown): readonly Problem[];
  /** Of a recipe whose shape is right and whose names mean something. */
  complete(recipe: Recipe): readonly Problem[];
}

export interface LoadOptions {
  /** Overrides of the command line, `a.b=c`. */
  readonly set?: readonly string[];
  readonly checks?: RecipeChecks;
}

/**
 * Reads, overrides, checks and completes a recipe. Throws recipe.unreadable (no such file, too large, not YAML),
 * recipe.invalid (all problems, the first in `details`) or usage.invalid (an override that makes no sense).
 */
export async function loadRecipe(file: string, options: LoadOptions = {}): Promise<Recipe> {
  const source = parseYaml(await readText(file), file);
  const overrides: Override[] = [];
  let value = source.value;
  for (const text of options.set ?? []) {
    const applied = applyOverride(value, text);
    value = applied.value;
    overrides.push(applied.override);
  }
  const checked = check(value, options.checks);
  const problems = 'recipe' in checked ? [] : checked.problems;
  const findings = [
    ...source.duplicates.map((place) => ({ place, text: 'this key is in the same map twice' })),
    ...problems.map((problem) => locate(problem, source, overrides)),
  ];
  if (findings.length > 0 || !('recipe' in checked)) throw invalid(file, findings);
  const recipe = withAbsolutePaths(checked.recipe, dirname(resolve(file)));
  recipeJson(recipe);
  return recipe;
}

/** Where a value of the recipe stands in its file, for problems that show only when it is used. */
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
  const checked = check(value);
  if ('recipe' in checked) return checked.recipe;
  throw new StillhouseError('recipe.invalid', checked.problems.map((problem) => problem.text).join('\n'));
}

/** A recipe as it travels to workers. Throws recipe.invalid when it is too large for a message. */
export function recipeJson(recipe: Recipe): string {
  const json = JSON.stringify(recipe);
  const bytes = Buffer.byteLength(json);
  if (bytes <= LIMITS.recipeBytes) return json;
  throw new StillhouseError('recipe.invalid', `the recipe with its defaults takes ${bytes} bytes, of at most ${LIMITS.recipeBytes}`, {
    hint: 'Split it into several runs',
  });
}

const NO_CHECKS: RecipeChecks = { written: () => [], complete: () => [] };

function check(value: unknown, checks = NO_CHECKS): { readonly recipe: Recipe } | { readonly problems: readonly Problem[] } {
  if (value === null || value === undefined) return { problems: [{ path: [], at: 'value', text: 'the recipe is empty' }] };
  const shape = checkShape(value);
  const references = [...checks.written(value), ...checkReferences(value)];
  if ('problems' in shape) return { problems: [...shape.problems, ...references] };
  const problems = [...references, ...checks.complete(shape.recipe), ...checkValues(shape.recipe)];
  return problems.length > 0 ? { problems } : shape;
}

async function readText(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, of at most ${FILE_BYTES_MAX}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new StillhouseError('recipe.unreadable', `the recipe cannot be read: ${whyUnreadable(error)}`, { file, cause: error });
  }
}

/** The mistakes that people make in words, without the name of a system call. */
function whyUnreadable(error: unknown): string {
  if (hasCode(error, 'ENOENT')) return 'there is no such file';
  if (hasCode(error, 'EISDIR')) return 'this is a folder, not a file';
  return messageOf(error);
}

interface Finding {
  /** Where in the file, or the override that brought it. */
  readonly place: Place | Override;
  readonly text: string;
}

function locate(problem: Problem, source: YamlSource, overrides: readonly Override[]): Finding {
  const override = overrides.findLast(({ path }) => path.every((part, index) => String(part) === String(problem.path[index])));
  return { place: override ?? source.placeOf(problem.path, problem.at), text: problem.text };
}

function invalid(file: string, findings: readonly Finding[]): StillhouseError {
  const inOrder = [...findings].sort((a, b) => lineOf(a) - lineOf(b));
  const [first, ...others] = inOrder.slice(0, PROBLEMS_SHOWN);
  const rest = others.map(({ place, text }) =>
    'line' in place ? `${file}:${place.line}:${place.column}: ${text}` : `${place.text}: ${text}`,
  );
  if (findings.length > PROBLEMS_SHOWN) rest.push(`and ${findings.length - PROBLEMS_SHOWN} more`);
  const { place, text } = first ?? { place: { line: 1, column: 1 }, text: 'the recipe is empty' };
  const what = [text, ...rest].join('\n');
  if ('line' in place) return new StillhouseError('recipe.invalid', what, { file, line: place.line, column: place.column });
  return new StillhouseError('recipe.invalid', `${place.text}: ${what}`);
}

function lineOf({ place }: Finding): number {
  return 'line' in place ? place.line : Number.POSITIVE_INFINITY;
}

function withAbsolutePaths(recipe: Recipe, folder: string): Recipe {
  const models = Object.entries(recipe.models).map(([name, model]) =>
    model.module === undefined ? [name, model] : [name, { ...model, module: resolve(folder, model.module) }],
  );
  const path = recipe.data.path.startsWith('builtin:') ? recipe.data.path : resolve(folder, recipe.data.path);
  return { ...recipe, data: { ...recipe.data, path }, models: Object.fromEntries(models) as Recipe['models'] };
}
