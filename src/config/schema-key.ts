/**
 * The keys that a schema knows. They come from its JSON Schema, so that no list of them can fall behind it. Also chooses which
 * of several forms of a map the user meant.
 */

import { z } from 'zod';
import { nearest } from '../base/nearest.js';
import { entryOf, keysOf, type Path } from './problem.js';

export interface JsonSchema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: unknown;
}

/**
 * The form of a value before parsing, where keys with defaults may be left out. A value that JSON does not have (a function)
 * may be anything.
 */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** The allowed keys of the map at the end of `path`; where the user chooses the names, the keys that it has. */
export function keysAt(path: Path, root: unknown, schema: JsonSchema): string[] {
  const found = schemaAt(path, root, schema);
  if (found === null) return [];
  const { properties } = chooseForm(found.schema, found.value);
  return properties === undefined ? keysOf(found.value) : Object.keys(properties);
}

/** The alternatives for the value at the end of `path`, in the order of the schema; empty when there is only one form. */
export function formsAt(path: Path, root: unknown, schema: JsonSchema): readonly JsonSchema[] {
  const found = schemaAt(path, root, schema);
  return found === null ? [] : alternativesOf(found.schema);
}

/** The index of the form that shares the most keys with the value, misspelt ones included; the first of equals. */
export function nearestForm(forms: readonly JsonSchema[], value: unknown): number {
  const likeness = forms.map(({ properties = {} }) => {
    const known = Object.keys(properties);
    const keys = keysOf(value);
    const exact = keys.filter((key) => known.includes(key)).length;
    const slips = keys.filter((key) => !known.includes(key) && nearest(key, known) !== null).length;
    // One correct key counts more than any number of misspelt ones.
    return exact * (keys.length + 1) + slips;
  });
  return Math.max(0, likeness.indexOf(Math.max(...likeness)));
}

function schemaAt(path: Path, root: unknown, schema: JsonSchema): { readonly schema: JsonSchema; readonly value: unknown } | null {
  let value: unknown = root;
  let at: JsonSchema | undefined = schema;
  for (const part of path) {
    const form: JsonSchema = chooseForm(at, value);
    const open: JsonSchema | undefined = typeof form.additionalProperties === 'object' ? form.additionalProperties : undefined;
    at = typeof part === 'number' ? form.items : (form.properties?.[part] ?? open);
    if (at === undefined) return null;
    value = entryOf(value, part);
  }
  return { schema: at, value };
}

/** The alternative that the value has or is meant to have; the last one, the most general, when nothing shows that. */
function chooseForm(schema: JsonSchema, value: unknown): JsonSchema {
  const forms = alternativesOf(schema);
  // The fixed values of a form (`kind: train`) tell it from others.
  const match = forms.find((form) => {
    const fixed = Object.entries(form.properties ?? {}).filter(([, property]) => property.const !== undefined);
    return fixed.length > 0 && fixed.every(([key, property]) => entryOf(value, key) === property.const);
  });
  const maps = forms.filter(({ properties }) => properties !== undefined);
  const isFixed = maps.some(({ properties }) => Object.values(properties ?? {}).some((property) => property.const !== undefined));
  if (match === undefined && !isFixed && maps.length > 1 && keysOf(value).length > 0) return maps[nearestForm(maps, value)] ?? schema;
  return match ?? forms.at(-1) ?? schema;
}

function alternativesOf(schema: JsonSchema): readonly JsonSchema[] {
  return schema.oneOf ?? schema.anyOf ?? [];
}
