/**
 * The declaration of the hints of FitNets; its arithmetic is in fitnets.ts. A regressor for each pair of taps turns what the student's
 * layer puts out into as many channels as the teacher's layer has. The larger of two maps is pooled to the smaller, at the teacher before
 * it travels: H W C numbers of an image, for the smaller size and the teacher's channels.
 */

import { StillhouseError } from '../errors/stillhouse-error.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';
import type { AdapterSpec, LossDeclaration, TermNeeds } from './loss-declaration.js';

export const fitnetsDeclaration: LossDeclaration = {
  paper: 'Romero et al., arXiv 1412.6550; the weight is that of Tian et al., arXiv 1910.10699',
  weight: 100,
  knobs: {},
  constants: {},
  takesTaps: true,
  takesOther: true,
  needs({ taps }, shapes) {
    const pairs = taps.map(([own, other], i) =>
      needsOfPair({ layer: own, shape: shapes.student(own) }, { layer: other, shape: shapes.other(other) }, i),
    );
    return {
      student: pairs.flatMap((pair) => pair.student),
      other: pairs.flatMap((pair) => pair.other),
      adapters: pairs.flatMap((pair) => pair.adapters),
    };
  },
};

/** The names of the regressor's tensors for the pair of taps at this index. */
export function regressorNames(index: number): { readonly kernel: string; readonly bias: string } {
  return { kernel: `kernel${index + 1}`, bias: `bias${index + 1}` };
}

interface Tapped {
  readonly layer: string;
  readonly shape: readonly number[];
}

function needsOfPair(own: Tapped, other: Tapped, index: number): TermNeeds {
  checkShapes(own, other);
  const [ownChannels = 0, otherChannels = 0] = [own.shape.at(-1), other.shape.at(-1)];
  const { kernel, bias } = regressorNames(index);
  const adapters: readonly AdapterSpec[] = [
    { name: kernel, shape: [ownChannels, otherChannels], initial: 'kaiming', decays: true },
    { name: bias, shape: [otherChannels], initial: 0, decays: false },
  ];
  const size = own.shape.slice(0, -1).map((axis, i) => Math.min(axis, other.shape[i] ?? 0));
  return { student: [specOf(own, size)], other: [specOf(other, size)], adapters };
}

/** The layer's output; a map of another size than this is pooled. */
function specOf({ layer, shape }: Tapped, [height = 0, width = 0]: readonly number[]): KnowledgeSpec {
  const fits = shape.length === 1 || (shape[0] === height && shape[1] === width);
  return { of: 'tap', layer, reduce: fits ? null : { name: 'pool-to', options: { height, width } } };
}

function checkShapes(own: Tapped, other: Tapped): void {
  const kinds = [1, 3];
  if (own.shape.length === other.shape.length && kinds.includes(own.shape.length)) return;
  const text = ({ layer, shape }: Tapped) => `"${layer}" [${shape.join(', ')}]`;
  throw new StillhouseError(
    'model.invalid',
    `the loss compares a map with a map, or a vector with a vector, and the student has ${text(own)}, the teacher ${text(other)}`,
    { hint: 'Tap two convolutions, or layers right after them; or two dense layers' },
  );
}
