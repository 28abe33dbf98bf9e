/**
 * Describes the problems that the schema (schema.ts) finds in plain words, with the nearest valid name. The names come from the
 * schema's own JSON Schema, so they cannot fall behind it.
 */

import type { z } from 'zod';
import { nearest, suggest } from '../base/nearest.js';
import { formatPath, formatValue, keysOf, notOneOf, type Path, type Problem, replaceAt, valueAt } from './problem.js';
import { type Recipe, recipeSchema } from './schema.js';
import { formsAt, type JsonSchema, jsonSchemaOf, keysAt, nearestForm } from './schema-key.js';

type Issue = z.core.$ZodIssue;

/** A value of the schema, with its defaults filled in; or all its problems. */
export type Checked<T> = { readonly value: T } | { readonly problems: readonly Problem[] };

/** The recipe with its defaults filled in, or all problems of its shape. */
export function checkShape(value: unknown): Checked<Recipe> {
  return checkAs(recipeSchema, value);
}

/** The same for a part of a recipe that has a schema of its own; `path` is the part's place in the recipe. */
export function checkAs<T>(schema: z.ZodType<T>, value: unknown, path: Path = []): Checked<T> {
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data };
  const part: Part = { path, root: value, schema: jsonSchemaOf(schema) };
  const { issues } = result.error;
  const problems = issues.flatMap((issue) => describe(issue, part));
  const mended = mendNames(issues, value);
  if (mended === value) return { problems };
  // The keys of a map whose kind is misspelt are checked as those of the kind that was meant.
  const again = checkAs(schema, mended, path);
  return { problems: [...problems, ...('problems' in again ? again.problems.filter((other) => !isAmong(problems, other)) : [])] };
}

const isAmong = (problems: readonly Problem[], { text }: Problem): boolean => problems.some((problem) => problem.text === text);

/** The value with the right name for each misspelt one that chooses the form of its map. The same value when there is none. */
function mendNames(issues: readonly Issue[], root: unknown): unknown {
  return issues.reduce((value, issue) => {
    if (issue.code !== 'invalid_union' || issue.discriminator === undefined) return value;
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    const found = valueAt(root, path);
    const meant = typeof found === 'string' ? nearest(found, optionsOf(issue)) : null;
    return meant === null ? value : replaceAt(value, path, meant);
  }, root);
}

function optionsOf(issue: z.core.$ZodIssueInvalidUnion): string[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

let recipeKeys: JsonSchema | null = null;

/** The allowed keys of the map at the end of `path` in a recipe; where the user chooses the names, the keys that it has. */
export function recipeKeysAt(path: Path, root: unknown): string[] {
  recipeKeys ??= jsonSchemaOf(recipeSchema);
  return keysAt(path, root, recipeKeys);
}

/** A recipe, or the part of one that is checked. The paths of issues begin at `root`, the paths of problems at the recipe. */
interface Part {
  readonly path: Path;
  readonly root: unknown;
  readonly schema: JsonSchema;
}

function nameOf(part: Part, path: Path): string {
  return formatPath([...part.path, ...path]) || 'the recipe';
}

function describe(issue: Issue, part: Part): Problem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  const found = valueAt(part.root, path);
  const problem = (text: string, at: Problem['at'] = 'value'): Problem[] => [{ path: [...part.path, ...path], at, text }];
  const name = nameOf(part, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const inside = part.path.length + path.length === 0 ? '' : ` in ${name}`;
        const text = `unknown key "${key}"${inside}${suggest(key, keysAt(path, part.root, part.schema))}`;
        return { path: [...part.path, ...path, key], at: 'key', text };
      });
    case 'invalid_type':
      if (found === undefined && path.length > 0) return absent(path, part);
      return problem(`${name} must be ${typeName(issue.expected)}, not ${formatValue(found)}${rightForm(issue.expected, found, path)}`);
    case 'invalid_value':
      return problem(notOneOf(name, found, issue.values.map(String)));
    case 'invalid_union':
      return describeUnion(issue, path, part);
    case 'invalid_key':
      return problem(`"${path.at(-1)}" cannot be a name (${issue.issues.map((inner) => inner.message).join('; ')})`, 'key');
    case 'too_small':
      return problem(`${name} ${boundary(issue, issue.minimum, 'least')}, not ${size(found)}`);
    case 'too_big':
      return problem(`${name} ${boundary(issue, issue.maximum, 'most')}, not ${size(found)}`);
    case 'invalid_format':
      return problem(`${name} cannot be ${formatValue(found)} (${issue.message})`);
    default:
      return problem(`${name}: ${issue.message}`);
  }
}

/** The problem of a missing key. A misspelt key is reported as unknown, and the missing right one is the same mistake. */
function absent(path: Path, part: Part): Problem[] {
  return slipOf(path, part) === null ? [missing(path, part)] : [];
}

function missing(path: Path, part: Part): Problem {
  const slip = slipOf(path, part);
  const text = `${nameOf(part, path.slice(0, -1))} needs the key "${path.at(-1)}"`;
  return { path: [...part.path, ...path], at: 'key', text: slip === null ? text : `${text}, and has "${slip}"` };
}

/** The unknown key that is probably a misspelling of the missing one; null when there is none. */
function slipOf(path: Path, { root, schema }: Part): string | null {
  const parent = path.slice(0, -1);
  const known = new Set(keysAt(parent, root, schema));
  const unknown = keysOf(valueAt(root, parent)).filter((key) => !known.has(key));
  return nearest(String(path.at(-1)), unknown);
}

function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, part: Part): Problem[] {
  const found = valueAt(part.root, path);
  const problem = (text: string): Problem[] => [{ path: [...part.path, ...path], at: 'value', text }];
  if (issue.discriminator !== undefined) {
    if (found === undefined) return [missing(path, part)];
    return problem(notOneOf(nameOf(part, path), found, optionsOf(issue)));
  }
  if (found === undefined && path.length > 0) return absent(path, part);
  // A branch that wants another type or word altogether is not the one that the user meant.
  const branches = issue.errors.filter((errors) => !errors.some(isAboutWhole));
  if (branches.length === 0) {
    const wanted = [...new Set(issue.errors.flatMap((errors) => errors.filter(isAboutWhole).map(wantedBy)))];
    return problem(`${nameOf(part, path)} must be ${wanted.join(' or ')}, not ${formatValue(found)}`);
  }
  const describeBranch = (index: number): Problem[] =>
    (branches[index] ?? []).flatMap((error) => describe({ ...error, path: [...path, ...error.path] } as Issue, part));
  if (branches.length === 1) return describeBranch(0);
  const forms = formsAt(path, part.root, part.schema).filter((_, i) => !issue.errors[i]?.some(isAboutWhole));
  const meant = nearestForm(forms, found);
  const mixture = mixtureOf(forms, meant, keysOf(found));
  return mixture === null ? describeBranch(meant) : problem(`${nameOf(part, path)} ${mixture}`);
}

/** The message about a map that mixes keys of its form with keys that only another form has; null when it has no such keys. */
function mixtureOf(forms: readonly JsonSchema[], meant: number, keys: readonly string[]): string | null {
  const known = forms.map(({ properties = {} }) => Object.keys(properties));
  const own = known[meant] ?? [];
  const foreign = keys.find((key) => !own.includes(key) && known.some((other) => other.includes(key)));
  const first = keys.find((key) => own.includes(key));
  if (foreign === undefined || first === undefined) return null;
  const choice = known.map((names) => names.join(', ')).join('; or ');
  return `has "${first}" and "${foreign}", which do not go together: give either ${choice}`;
}

/** Whether the value has another kind than a branch of a union wants, and not only a mistake inside. */
function isAboutWhole(error: z.core.$ZodIssue): boolean {
  return (error.code === 'invalid_type' || error.code === 'invalid_value') && error.path.length === 0;
}

function wantedBy(error: z.core.$ZodIssue): string {
  if (error.code === 'invalid_value') return error.values.map((value) => JSON.stringify(value)).join(' or ');
  return 'expected' in error ? typeName(String(error.expected)) : '';
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    object: 'a map',
    record: 'a map',
    array: 'a list',
    tuple: 'a list',
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
  };
  return names[expected] ?? expected;
}

/** The end of the message where only the form of a value is wrong: quotes, a decimal comma, no brackets, a layer without its side. */
function rightForm(expected: string, found: unknown, path: Path): string {
  if (expected === 'object' && path.at(-1) === 'freeze') {
    const layer = typeof found === 'string' ? found : 'conv1';
    return `; write { through: ${layer} }, which freezes it and all before it, or { after: ${layer} }, all others`;
  }
  if (expected === 'array' && typeof found === 'number') return `; write [${found}]`;
  if ((expected !== 'number' && expected !== 'int') || typeof found !== 'string') return '';
  const written = /^-?\d+,\d+$/.test(found) ? found.replace(',', '.') : found;
  return written.trim() !== '' && Number.isFinite(Number(written)) ? `; write ${Number(written)}` : '';
}

function boundary(
  issue: { readonly origin: string; readonly inclusive?: boolean },
  limit: number | bigint,
  side: 'least' | 'most',
): string {
  if (issue.origin === 'array') return `must have at ${side} ${limit} ${limit === 1 ? 'entry' : 'entries'}`;
  if (issue.origin === 'string') return `must have at ${side} ${limit} ${limit === 1 ? 'letter' : 'letters'}`;
  if (issue.inclusive === false) return `must be ${side === 'least' ? 'more' : 'less'} than ${limit}`;
  return `must be at ${side} ${limit}`;
}

function size(found: unknown): string {
  return Array.isArray(found) || typeof found === 'string' ? String(found.length) : formatValue(found);
}
