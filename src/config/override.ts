/** `--set a.b=c`: values of the command line that replace those of the recipe file before anything is checked. */

import { suggest } from '../base/nearest.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { entryOf, formatPath, formatValue, keysOf, type Path, replaceAt } from './problem.js';
import { recipeKeysAt } from './schema-problem.js';
import { parseYaml } from './yaml-source.js';

/** An override that was applied. */
export interface Override {
  /** As it was typed, with its `--set`. */
  readonly text: string;
  /** The path of its value, or of the first map on the way that was not there before. */
  readonly path: Path;
}

/** The recipe with one override. `value` is not changed. Throws usage.invalid when the text or its path makes no sense. */
export function applyOverride(value: unknown, text: string): { readonly value: unknown; readonly override: Override } {
  const label = `--set ${text}`;
  const split = text.indexOf('=');
  // Messages spell the place of a list's entry in brackets.
  const parts = text
    .slice(0, Math.max(0, split))
    .replace(/\[(\d+)\]/g, '.$1')
    .split('.');
  if (split < 1 || parts.includes('')) {
    throw new StillhouseError('usage.invalid', `${label}: this is not of the form key.key=value`, {
      hint: 'For example: --set stages.teacher.epochs=3',
    });
  }
  const path = resolvePath(value, parts, label);
  const created = path.findIndex((_, index) => !exists(value, path.slice(0, index + 1)));
  const next = parseValue(text.slice(split + 1), label);
  return {
    value: replaceAt(value, path, next),
    override: { text: label, path: created < 0 ? path : path.slice(0, created + 1) },
  };
}

function parseValue(text: string, label: string): unknown {
  try {
    return parseYaml(text, label).value;
  } catch (error) {
    throw new StillhouseError('usage.invalid', messageOf(error), { cause: error });
  }
}

/** Turns the parts between dots into keys. Names may have dots themselves: the longest key that the map has wins. */
function resolvePath(root: unknown, parts: readonly string[], label: string): Path {
  const path: (string | number)[] = [];
  let value = root;
  for (let at = 0; at < parts.length; ) {
    const length = longestKey(value, parts.slice(at));
    const key = parts.slice(at, at + Math.max(1, length)).join('.');
    at += Math.max(1, length);
    const isLast = at >= parts.length;
    const isMap = value === undefined || value === null || keysOf(value).length > 0 || JSON.stringify(value) === '{}';
    if (!isMap && !Array.isArray(value)) fail(label, `${formatPath(path)} is ${formatValue(value)}, which has no "${key}"`);
    if (Array.isArray(value) && length === 0) fail(label, `${formatPath(path)} has no entry "${key}"; it has ${value.length}, from 0`);
    if (length === 0 && !isLast) {
      const known = recipeKeysAt(path, root);
      if (!known.includes(key)) fail(label, `there is no "${key}" in ${formatPath(path) || 'the recipe'}${suggest(key, known)}`);
    }
    path.push(Array.isArray(value) ? Number(key) : key);
    value = entryOf(value, key);
  }
  return path;
}

function fail(label: string, what: string): never {
  throw new StillhouseError('usage.invalid', `${label}: ${what}`);
}

/** The number of parts that, joined by dots, make a key that the map has; 0 when none do. */
function longestKey(value: unknown, parts: readonly string[]): number {
  for (let count = parts.length; count > 0; count--) {
    if (entryOf(value, parts.slice(0, count).join('.')) !== undefined) return count;
  }
  return 0;
}

function exists(root: unknown, path: Path): boolean {
  return path.reduce<unknown>(entryOf, root) !== undefined;
}
