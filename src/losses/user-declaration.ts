/**
 * A user's own loss: a JavaScript module that exports `declaration` and `sum(inputs, knobs, tf)`. Owns loading it and
 * checking its declaration, with the defaults of all fields that it leaves out; user-method.ts has its arithmetic. Without tfjs,
 * because processes that do not load tfjs check a recipe.
 */

import { z } from 'zod';
import { checkAs } from '../config/schema-problem.js';
import { variableIn } from '../config/variable.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { importUserModule } from '../process/import-user-module.js';
import { placeInModule } from '../process/place-in-module.js';
import { LOGITS_SPEC, type SampleSpec } from '../tensor/knowledge.js';
import { needsOfAdapted } from './adapter-rule.js';
import type { KnobDeclaration, LossDeclaration, LossTraits, TermNeeds, TermSettings } from './loss-declaration.js';
import { TERM_KEYS } from './term-check.js';

export interface UserLoss {
  readonly declaration: LossDeclaration;
  /** The function that the module exports. Its answer is not checked yet. */
  readonly sum: (...parts: unknown[]) => unknown;
}

const EXAMPLE =
  'Write: export const declaration = { knobs: { temperature: { default: 4, above: 0 } } }; export function sum(inputs, knobs, tf) { ... }';

/** Imports the module (an absolute path). Throws `loss.invalid` with the file and a hint. */
export async function importUserLoss(file: string): Promise<UserLoss> {
  const loaded = await importUserModule(file, 'loss.invalid');
  const exported = Object.keys(loaded).join(', ') || 'nothing';
  if (typeof loaded.declaration !== 'object' || loaded.declaration === null) {
    throw invalidLoss(file, `the module exports ${exported}, but no object 'declaration'`, { hint: EXAMPLE });
  }
  if (typeof loaded.sum !== 'function') {
    throw invalidLoss(file, `the module exports ${exported}, but no function 'sum'`, { hint: EXAMPLE });
  }
  return { declaration: declarationFrom(loaded.declaration, file), sum: loaded.sum as UserLoss['sum'] };
}

/** The error `loss.invalid` about a module. */
export function invalidLoss(file: string, what: string, more: { readonly hint?: string; readonly cause?: unknown } = {}): StillhouseError {
  return new StillhouseError('loss.invalid', what, { file, ...placeInModule(more.cause, file), ...more });
}

const range = { min: z.number().optional(), above: z.number().optional(), max: z.number().optional() };
const numberName = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_]*$/, 'letters, digits and "_", starting with a letter')
  .refine((name) => !(TERM_KEYS as readonly string[]).includes(name), `every term has ${TERM_KEYS.join(', ')} already`);
const isFunction = (value: unknown): boolean => typeof value === 'function';

const declarationSchema = z.strictObject({
  paper: z.string().default('of the user'),
  weight: variableIn({ min: 0 }).default(1),
  knobs: z.record(numberName, z.strictObject({ default: variableIn({}), ...range }).superRefine(checkDefault)).default({}),
  constants: z
    .record(numberName, z.strictObject({ default: z.number(), whole: z.boolean().optional(), ...range }).superRefine(checkDefault))
    .default({}),
  takesTaps: z.boolean().default(false),
  takesFlows: z.boolean().default(false),
  takesOther: z.boolean().default(true),
  over: z.enum(['sample', 'batch']).default('sample'),
  adapts: z.boolean().default(false),
  needs: z.custom<LossDeclaration['needs']>(isFunction, 'it must be a function').optional(),
});

function checkDefault(declared: KnobDeclaration, context: z.RefinementCtx): void {
  if (variableIn(declared).safeParse(declared.default).success) return;
  context.addIssue({ code: 'custom', path: ['default'], message: 'it is outside the range that min, above and max give' });
}

function declarationFrom(value: object, file: string): LossDeclaration {
  const checked = checkAs(declarationSchema, value, ['declaration']);
  if ('problems' in checked) throw invalidLoss(file, checked.problems.map(({ text }) => text).join('; '));
  const { needs, ...traits } = checked.value;
  const twice = Object.keys(traits.knobs).find((name) => Object.hasOwn(traits.constants, name));
  if (twice !== undefined) throw invalidLoss(file, `declaration: "${twice}" is both a knob and a constant`);
  if (traits.takesTaps && traits.takesFlows)
    throw invalidLoss(file, 'declaration: takesTaps and takesFlows are both true; a loss takes one of them');
  const { adapts, takesTaps, takesOther } = traits;
  if (adapts && !(takesTaps && takesOther)) {
    throw invalidLoss(file, 'declaration.adapts is true, and the loss does not take taps of both sides', {
      hint: 'Add takesTaps: true, and leave takesOther out',
    });
  }
  if (adapts && needs !== undefined) {
    throw invalidLoss(file, 'declaration has both adapts: true, which makes the needs, and a function needs', {
      hint: 'Leave one of them out',
    });
  }
  const ask: LossDeclaration['needs'] = adapts ? (settings, shapes) => needsOfAdapted(settings, shapes) : (needs ?? plainNeeds(traits));
  return { ...traits, needs: (settings, shapes) => checkNeeds(traits, file, () => ask(settings, shapes)) };
}

/** The needs of a module without `needs`: the logits, the tapped layers as they are, or the flows. */
function plainNeeds({ takesTaps, takesFlows = false, takesOther }: LossTraits): (settings: TermSettings) => TermNeeds {
  return ({ taps, flows = [] }) => {
    const of = (side: 0 | 1): readonly SampleSpec[] => {
      if (takesFlows) return flows.map((pair) => ({ of: 'flow', from: pair[side][0], to: pair[side][1] }));
      return takesTaps ? taps.map((pair) => ({ of: 'tap', layer: pair[side], reduce: null })) : [LOGITS_SPEC];
    };
    return { student: of(0), other: takesOther ? of(1) : [], adapters: [] };
  };
}

const sampleSpec = z.discriminatedUnion('of', [
  z.strictObject({ of: z.literal('logits') }),
  z.strictObject({ of: z.literal('input-gradient') }),
  z.strictObject({
    of: z.literal('tap'),
    layer: z.string(),
    reduce: z
      .strictObject({ name: z.string(), options: z.record(z.string(), z.number()).default({}) })
      .nullable()
      .default(null),
  }),
  z.strictObject({ of: z.literal('flow'), from: z.string(), to: z.string() }),
]);
const otherSpec = z.discriminatedUnion('of', [...sampleSpec.options, z.strictObject({ of: z.literal('similarity'), layer: z.string() })]);
const needsSchema = z.strictObject({
  student: z.array(sampleSpec).min(1),
  other: z.array(otherSpec).default([]),
  adapters: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'letters, digits, "_" and "-"'),
        shape: z.array(z.int().min(1)),
        initial: z.union([z.literal('kaiming'), z.number()]),
        decays: z.boolean().default(true),
      }),
    )
    .default([]),
});

const NEEDS_HINT =
  'needs(settings, shapes) returns { student: [...], other: [...], adapters: [...] }; ' +
  'a spec is { of: "logits" }, { of: "tap", layer, reduce: null }, { of: "flow", from, to } or { of: "input-gradient" }, of the other side also { of: "similarity", layer }';

function checkNeeds({ takesOther }: LossTraits, file: string, call: () => unknown): TermNeeds {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    // A layer that is not there is the recipe's mistake; its own error says so.
    if (error instanceof StillhouseError) throw error;
    throw invalidLoss(file, `declaration.needs failed: ${messageOf(error)}`, { cause: error });
  }
  const checked = checkAs(needsSchema, value, ['needs()']);
  if ('problems' in checked) {
    throw invalidLoss(file, checked.problems.map(({ text }) => text).join('; '), { hint: NEEDS_HINT });
  }
  const needs = checked.value;
  if (!takesOther && needs.other.length > 0) {
    throw invalidLoss(file, 'needs() asks for knowledge of the other side, and declaration.takesOther is false');
  }
  const names = needs.adapters.map(({ name }) => name);
  if (new Set(names).size < names.length) throw invalidLoss(file, `needs() gives two adapters one name: ${names.join(', ')}`);
  return needs;
}
