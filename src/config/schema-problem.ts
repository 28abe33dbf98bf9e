/**
 * Says in plain words what the schema (schema.ts) does not accept, with the nearest valid name. The names come from the
 * schema itself, by way of its JSON Schema, so they cannot fall behind it.
 */

import { z } from 'zod';
import { nearest, suggest } from '../base/nearest.js';
import { entryOf, formatPath, formatValue, keysOf, notOneOf, type Path, type Problem, valueAt } from './problem.js';
import { type Recipe, recipeSchema } from './schema.js';

type Issue = z.core.$ZodIssue;

/** The recipe with its defaults filled in, or all that is wrong with its shape. */
export function checkShape(value: unknown): { readonly recipe: Recipe } | { readonly problems: readonly Problem[] } {
  const result = recipeSchema.safeParse(value);
  if (result.success) return { recipe: result.data };
  return { problems: result.error.issues.flatMap((issue) => describe(issue, value)) };
}

function describe(issue: Issue, root: unknown): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  const where = formatPath(path);
  const found = valueAt(root, path);
  const problem = (text: string, at: Problem['at'] = 'value'): Problem[] => [{ path, at, text }];
  const name = where === '' ? 'the recipe' : where;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const inside = where === '' ? '' : ` in ${where}`;
        return { path: [...path, key], at: 'key', text: `unknown key "${key}"${inside}${suggest(key, keysAt(path, root))}` };
      });
    case 'invalid_type':
      if (found === undefined && path.length > 0) {
        // A misspelt key is reported as unknown: that it is missing too is the same mistake.
        return slipOf(path, root) === null ? [missing(path, root)] : [];
      }
      return problem(`${name} must be ${typeName(issue.expected)}, not ${formatValue(found)}`);
    case 'invalid_value':
      return problem(notOneOf(name, found, issue.values.map(String)));
    case 'invalid_union':
      return describeUnion(issue, path, root);
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

function missing(path: Path, root: unknown): Problem {
  const parent = path.slice(0, -1);
  const slip = slipOf(path, root);
  const text = `${formatPath(parent) || 'the recipe'} needs the key "${path.at(-1)}"`;
  return { path, at: 'key', text: slip === null ? text : `${text}, and has "${slip}"` };
}

/** The unknown key next to a missing one that is probably meant to be it. */
function slipOf(path: Path, root: unknown): string | null {
  const parent = path.slice(0, -1);
  const known = new Set(keysAt(parent, root));
  const unknown = keysOf(valueAt(root, parent)).filter((key) => !known.has(key));
  return nearest(String(path.at(-1)), unknown);
}

function describeUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, root: unknown): Problem[] {
  const found = valueAt(root, path);
  if (issue.discriminator !== undefined) {
    if (found === undefined) return [missing(path, root)];
    const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
    return [{ path, at: 'value', text: notOneOf(formatPath(path), found, options) }];
  }
  // A branch that wants another type or word altogether is not the one the user meant.
  const branches = issue.errors.filter((errors) => !errors.some(isAboutWhole));
  const [branch] = branches;
  if (branch !== undefined && branches.length === 1) {
    return branch.flatMap((error) => describe({ ...error, path: [...path, ...error.path] } as Issue, root));
  }
  const wanted = issue.errors.flatMap((errors) => errors.filter(isAboutWhole).map(wantedBy));
  return [{ path, at: 'value', text: `${formatPath(path)} must be ${wanted.join(' or ')}, not ${formatValue(found)}` }];
}

/** Whether the value is of another kind than a branch of a union wants, and not only wrong inside. */
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
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
  };
  return names[expected] ?? expected;
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

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: unknown;
}

let jsonSchema: JsonSchema | null = null;

/** The keys that may stand in the map at the end of `path`; those it has, where the user chooses the names. */
export function keysAt(path: Path, root: unknown): string[] {
  jsonSchema ??= z.toJSONSchema(recipeSchema, { io: 'input' }) as JsonSchema;
  let value: unknown = root;
  let schema: JsonSchema | undefined = chooseBranch(jsonSchema, value);
  for (const part of path) {
    value = entryOf(value, part);
    const open: JsonSchema | undefined = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
    const next: JsonSchema | undefined = typeof part === 'number' ? schema.items : (schema.properties?.[part] ?? open);
    if (next === undefined) return [];
    schema = chooseBranch(next, value);
  }
  return schema.properties === undefined ? keysOf(value) : Object.keys(schema.properties);
}

/** Of alternatives, the one whose fixed values (`kind: train`) are those of the value; else the last, the most general. */
function chooseBranch(schema: JsonSchema, value: unknown): JsonSchema {
  const branches = schema.oneOf ?? schema.anyOf ?? [];
  const match = branches.find((branch) => {
    const fixed = Object.entries(branch.properties ?? {}).filter(([, property]) => property.const !== undefined);
    return fixed.length > 0 && fixed.every(([key, property]) => entryOf(value, key) === property.const);
  });
  return match ?? branches.at(-1) ?? schema;
}
