/** The tensors that a cell gives to the cells with which it exchanges within a step, in parts of which each is one request. Pure. */

import { LIMITS } from '../../src/base/limits.js';
import { type Knowledge, type KnowledgeSpec, specKey } from '../../src/tensor/knowledge.js';
import { sizeOf } from '../../src/tensor/tensor.js';

/** Tensors of one side: the cell's own model, or the teacher that it has asked about its own samples. */
export interface GivenPart {
  readonly side: 'own' | 'other';
  readonly specs: readonly KnowledgeSpec[];
  /** The shapes of the tensors, without the batch. */
  readonly shapes: readonly (readonly number[])[];
}

/** The same tensors in as many parts as requests need. */
export function partsOf({ side, specs, shapes }: GivenPart): readonly GivenPart[] {
  const starts = Array.from({ length: Math.ceil(specs.length / LIMITS.specs) }, (_, i) => i * LIMITS.specs);
  return starts.map((start) => {
    const end = start + LIMITS.specs;
    return { side, specs: specs.slice(start, end), shapes: shapes.slice(start, end) };
  });
}

/** The specs of all parts. */
export function specsOf(parts: readonly GivenPart[]): readonly KnowledgeSpec[] {
  return parts.flatMap(({ specs }) => specs);
}

/** The bytes of one sample in the answers about all parts, in float16 where `half`. */
export function bytesPerSample(parts: readonly GivenPart[], half: boolean): number {
  const numbers = parts.flatMap(({ shapes }) => shapes).reduce((sum, shape) => sum + sizeOf(shape), 0);
  return numbers * (half ? 2 : 4);
}

/** The wanted tensors of `given`, which has those of all parts; or the words that name one that is not given. */
export function pickGiven(
  parts: readonly GivenPart[],
  given: Knowledge,
  { side, specs }: Pick<GivenPart, 'side' | 'specs'>,
): { readonly knowledge: Knowledge } | { readonly unknown: string } {
  const keys = parts.flatMap((part) => part.specs.map((spec) => keyOf(part.side, spec)));
  const knowledge: Knowledge[number][] = [];
  for (const spec of specs) {
    const tensor = given[keys.indexOf(keyOf(side, spec))];
    if (tensor === undefined) return { unknown: `this cell gives ${keys.join(', ')}, and not ${keyOf(side, spec)}` };
    knowledge.push(tensor);
  }
  return { knowledge };
}

function keyOf(side: GivenPart['side'], spec: KnowledgeSpec): string {
  return `${side === 'own' ? 'its' : "its teacher's"} ${specKey(spec)}`;
}
