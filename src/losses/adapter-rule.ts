/**
 * The rule that brings the two sides of a pair of taps to one shape, for a loss that compares them number by number: pooling to the
 * smaller map where the sizes differ, and a trained projection of the student's side where the widths differ. adapted-pair.ts has the
 * arithmetic. Plain TypeScript without tfjs, for declarations. The rule never changes the other side's width: a teacher that could learn
 * to be easy would teach nothing.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { ReductionSpec, SampleSpec } from '../tensor/knowledge.js';
import type { AdapterSpec, TapShapes, TermNeeds, TermSettings } from './loss-declaration.js';

/** The steps that make one shape of two. */
export interface AdapterRule {
  /** The reduction of the student's output, where its model is; null: it stays as it is. */
  readonly student: ReductionSpec | null;
  /** The reduction of the other side's output. It runs where that model is, so that the smaller map travels. */
  readonly other: ReductionSpec | null;
  /** The kernel of the projection, which acts on the student's reduced output: [1, 1, in, out] of maps, [in, out] of vectors; null: there is none. */
  readonly kernel: readonly number[] | null;
}

/** Whether the student's side is projected where the widths differ, or always. */
type Projects = 'needed' | 'always';

/**
 * The rule for two outputs of these shapes, both without the batch. Two maps [H, W, C] are pooled to the smaller height and width; a map
 * beside a vector [K] is averaged over its places. Widths that differ, channels or elements, get a projection: a 1x1 convolution of
 * maps, a linear one of vectors; with `always` all maps and vectors do. Otherwise outputs of equal shapes stay as they are. Null: the two shapes cannot be brought together.
 */
export function adapterRule(student: readonly number[], other: readonly number[], projects: Projects = 'needed'): AdapterRule | null {
  if (projects === 'needed' && student.length === other.length && student.every((axis, i) => axis === other[i]))
    return { student: null, other: null, kernel: null };
  const ranks = [student.length, other.length];
  if (!ranks.every((rank) => rank === 1 || rank === 3)) return null;
  const [inputs = 0, outputs = 0] = [student.at(-1), other.at(-1)];
  const isOfMaps = ranks.every((rank) => rank === 3);
  const window = isOfMaps ? [1, 1] : [];
  const size = [0, 1].map((axis) => Math.min(student[axis] ?? 0, other[axis] ?? 0));
  const reduce = (shape: readonly number[]) => (isOfMaps ? poolingTo(size, shape) : averageOf(shape));
  return {
    student: reduce(student),
    other: reduce(other),
    kernel: projects === 'needed' && inputs === outputs ? null : [...window, inputs, outputs],
  };
}

function poolingTo([height = 0, width = 0]: readonly number[], shape: readonly number[]): ReductionSpec | null {
  return shape[0] === height && shape[1] === width ? null : { name: 'pool-map', options: { height, width } };
}

/** The reduction of an output beside a vector. */
function averageOf(shape: readonly number[]): ReductionSpec | null {
  return shape.length === 1 ? null : { name: 'pool', options: {} };
}

/** The names of the adapters of a pair, the first pair being 0. */
export function adapterNames(pair: number): { readonly kernel: string; readonly bias: string } {
  return { kernel: `pair${pair + 1}-kernel`, bias: `pair${pair + 1}-bias` };
}

/**
 * The needs of a loss over pairs of one shape: both taps of each pair with the rule's reductions, and the rule's projections as adapters.
 * Throws `model.invalid` for a pair that the rule cannot bring together.
 */
export function needsOfAdapted({ taps }: Pick<TermSettings, 'taps'>, shapes: TapShapes, projects: Projects = 'needed'): TermNeeds {
  const pairs = taps.map(([layer, otherLayer], i) => {
    const [own, other] = [shapes.student(layer), shapes.other(otherLayer)];
    const rule = adapterRule(own, other, projects);
    if (rule === null) throw notAdaptable([layer, own], [otherLayer, other]);
    const spec = (name: string, reduce: ReductionSpec | null): SampleSpec => ({ of: 'tap', layer: name, reduce });
    return { student: spec(layer, rule.student), other: spec(otherLayer, rule.other), adapters: adaptersOf(i, rule.kernel) };
  });
  return {
    student: pairs.map(({ student }) => student),
    other: pairs.map(({ other }) => other),
    adapters: pairs.flatMap(({ adapters }) => adapters),
  };
}

function adaptersOf(pair: number, kernel: AdapterRule['kernel']): readonly AdapterSpec[] {
  if (kernel === null) return [];
  const names = adapterNames(pair);
  return [
    { name: names.kernel, shape: kernel, initial: 'kaiming', decays: true },
    { name: names.bias, shape: kernel.slice(-1), initial: 0, decays: false },
  ];
}

type NamedShape = readonly [string, readonly number[]];

function notAdaptable([layer, own]: NamedShape, [otherLayer, other]: NamedShape): StillhouseError {
  const what = `the layers "${layer}" [${own.join(', ')}] and "${otherLayer}" [${other.join(', ')}] cannot be brought to one shape`;
  return new StillhouseError('model.invalid', what, {
    hint: 'Tap two layers of one shape, or layers that put out feature maps (height, width, channels) or vectors',
  });
}
