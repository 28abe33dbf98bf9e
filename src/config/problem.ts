/** A problem of a recipe, before its place in the file is known; and paths through a recipe. */

import { nearest } from '../base/nearest.js';

/** The way from the top of the recipe to a value: keys of maps, numbers of list entries. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly path: Path;
  /** Whether the key at the end of the path is wrong, or its value. */
  readonly at: 'key' | 'value';
  /** A sentence without its end, which says what is wrong and what would be right. */
  readonly text: string;
}

/** A path as people write it: `stages.teacher.schedule.epochs[0]`. */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? part : `${text}.${part}`;
  }, '');
}

/** A value in a message: short, and on one line. */
export function formatValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** The sentence about a value that is not one of the allowed names, with the nearest of them. */
export function notOneOf(name: string, found: unknown, allowed: readonly string[]): string {
  const match = typeof found === 'string' ? nearest(found, allowed) : null;
  const text = `${name} must be one of ${allowed.join(', ')}, not ${formatValue(found)}`;
  return match === null ? text : `${text}; did you mean "${match}"?`;
}

/** The value's own entry at a key or index, never an inherited one. */
export function entryOf(value: unknown, key: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<string | number, unknown>)[key];
}

/** The value at the end of a path, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(entryOf, value);
}

/** The keys of a map; an empty list for anything else. */
export function keysOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

/** The value with another one at the path; a key that is there keeps its place. It copies the maps along the path, because others may share them through an alias. */
export function replaceAt(value: unknown, path: Path, next: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return next;
  const child = replaceAt(entryOf(value, key), rest, next);
  if (Array.isArray(value)) return value.map((entry: unknown, index) => (index === key ? child : entry));
  const entries = new Map(Object.entries((value ?? {}) as Record<string, unknown>)).set(String(key), child);
  // fromEntries defines own properties, whatever their names: "__proto__" is a key like any other.
  return Object.fromEntries(entries);
}
