/**
 * Checks a term of a recipe against the declaration of its loss: its keys, their ranges, and its defaults. Pure,
 * without tfjs; the messages are those of src/config. Owns the shape of a term.
 */

import { z } from 'zod';
import { entryOf, formatPath, type Path, type Problem } from '../config/problem.js';
import { OTHER_SIDES, type TermRecipe } from '../config/schema.js';
import { checkAs } from '../config/schema-problem.js';
import { numberIn, variableIn } from '../config/variable.js';
import type { LossTraits } from './loss-declaration.js';

/** The keys that every term has besides its knobs and constants. */
export const TERM_KEYS = ['loss', 'module', 'from', 'weight', 'taps', 'flows', 'weights', 'batch'] as const;

/** All faults of a term as it was written, whatever its shape. `path` is its place in the recipe. */
export function checkTerm(term: unknown, traits: LossTraits, path: Path): readonly Problem[] {
  const problems: Problem[] = [];
  let rest = term;
  for (const key of extraKeys(traits)) {
    if (entryOf(term, key) === undefined) continue;
    const isOfUser = entryOf(term, 'module') !== undefined;
    const text = `${formatPath([...path, key])}: the loss ${nameOfTerm(term)} ${refusalOf(key, traits, isOfUser)}`;
    problems.push({ path: [...path, key], at: 'key', text });
    rest = Object.fromEntries(Object.entries(rest as object).filter(([other]) => other !== key));
  }
  const checked = checkAs(termSchema(traits), rest, path);
  return 'problems' in checked ? [...problems, ...sayForms(checked.problems, { term, traits, path })] : problems;
}

interface CheckedTerm {
  readonly term: unknown;
  readonly traits: LossTraits;
  readonly path: Path;
}

/** The problems with the form of taps and flows, where they are left out or have too few brackets. */
function sayForms(problems: readonly Problem[], { term, traits, path }: CheckedTerm): readonly Problem[] {
  const [key, form] = traits.takesFlows === true ? ['flows', FLOWS_FORM] : ['taps', TAPS_FORM];
  const place = [...path, key];
  const found = entryOf(term, key);
  const isFlat = found !== undefined && !(Array.isArray(found) && found.every((entry: unknown) => Array.isArray(entry)));
  const isOfPairs = (problem: Problem): boolean => problem.path[path.length] === key;
  const flat: Problem = { path: place, at: 'value', text: `${formatPath(place)} must be a list of pairs: ${form}` };
  const rest = problems
    .filter((problem) => !(isFlat && isOfPairs(problem)))
    .map(
      (problem): Problem => (problem.text.endsWith(`needs the key "${key}"`) ? { ...problem, text: `${problem.text}: ${form}` } : problem),
    );
  return isFlat && problems.some(isOfPairs) ? [flat, ...rest] : rest;
}

/** The keys that this loss has no use for. */
function extraKeys({ takesTaps, takesFlows = false, over }: LossTraits): readonly string[] {
  const layers = [...(takesTaps ? [] : ['taps']), ...(takesFlows ? [] : ['flows'])];
  const keys = over === 'batch' ? layers : [...layers, 'batch'];
  return takesTaps || takesFlows ? keys : [...keys, 'weights'];
}

function refusalOf(key: string, traits: LossTraits, isOfUser: boolean): string {
  if (key === 'batch') return 'is of each image by itself, so that it is the same in any batch; leave batch out';
  const what = key === 'flows' ? 'flows' : 'taps';
  const instead = insteadOf(what, traits);
  if (instead !== '') return `takes no ${what}${instead}`;
  const declare = `add ${what === 'flows' ? 'takesFlows' : 'takesTaps'}: true to its declaration, or `;
  return `takes no ${what}; ${isOfUser ? declare : ''}leave ${key} out`;
}

function insteadOf(extra: 'taps' | 'flows', { takesTaps, takesFlows = false }: LossTraits): string {
  if (extra === 'taps' && takesFlows) return `, but flows: ${FLOWS_FORM}`;
  return extra === 'flows' && takesTaps ? `, but taps: ${TAPS_FORM}` : '';
}

const TAPS_FORM = "[[student's layer, teacher's layer]]";
const FLOWS_FORM = "[[[student's layer, a later one], [teacher's layer, a later one]]]";

/** The term with every default filled in. A term in which `checkTerm` finds a fault is returned unchanged. */
export function completeTerm(term: TermRecipe, traits: LossTraits): TermRecipe {
  const checked = checkAs(termSchema(traits), term);
  if ('problems' in checked) return term;
  const pairs = checked.value.flows ?? checked.value.taps;
  return pairs === undefined ? checked.value : { ...checked.value, weights: checked.value.weights ?? pairs.map(() => 1) };
}

/** The name of a term in messages: the loss's name, or the module's file as the recipe has it. */
export function nameOfTerm(term: unknown): string {
  return String(entryOf(term, 'loss') ?? entryOf(term, 'module') ?? 'without a name');
}

function termSchema({ weight, knobs, constants, takesTaps, takesFlows = false, over }: LossTraits): z.ZodType<TermRecipe> {
  const numbers: [string, z.ZodType][] = [];
  for (const [name, knob] of Object.entries(knobs)) numbers.push([name, variableIn(knob).default(knob.default)]);
  for (const [name, constant] of Object.entries(constants)) {
    const number = constant.whole === true ? numberIn(constant).int() : numberIn(constant);
    numbers.push([name, number.default(constant.default)]);
  }
  const schema = z.strictObject({
    loss: z.string().optional(),
    module: z.string().optional(),
    from: z.enum(OTHER_SIDES).optional(),
    weight: variableIn({ min: 0 }).default(weight),
    ...(takesTaps ? { taps: z.array(pairOf(z.string())).min(1), weights } : {}),
    ...(takesFlows ? { flows: z.array(pairOf(pairOf(z.string()))).min(1), weights } : {}),
    ...(over === 'batch' ? { batch: z.literal('gathered').optional() } : {}),
    ...Object.fromEntries(numbers),
  });
  return schema.superRefine(checkCounts) as unknown as z.ZodType<TermRecipe>;
}

const pairOf = <One extends z.ZodType>(one: One) => z.tuple([one, one]);
const weights = z.array(z.number().min(0)).optional();

function checkCounts(term: object, context: z.RefinementCtx): void {
  const { taps, flows, weights } = term as TermRecipe;
  const [pairs, what] = flows === undefined ? [taps, 'taps'] : [flows, 'flows'];
  if (pairs === undefined || weights === undefined || pairs.length === weights.length) return;
  const message = `one for each pair of ${what} is needed, so ${pairs.length} and not ${weights.length}`;
  context.addIssue({ code: 'custom', path: ['weights'], message });
}
