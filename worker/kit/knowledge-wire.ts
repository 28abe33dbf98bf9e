/** Knowledge as the tensors of a message, which a teacher sends and a student takes, in float32 or float16. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { isFiniteArena } from '../../src/tensor/finite.js';
import { fromHalf, HALF_MAX, toHalf } from '../../src/tensor/half.js';
import { type Knowledge, type KnowledgeSpec, type KnowledgeTensor, specKey } from '../../src/tensor/knowledge.js';
import type { WireTensor } from '../../src/tensor/tensor.js';

/** The tensors, or the reason why the knowledge must not be sent. */
export type WireKnowledge =
  | { readonly tensors: readonly WireTensor[] }
  | { readonly reason: 'not-finite' | 'beyond-half'; readonly message: string };

/** Makes one tensor for each spec. Float32 tensors use the knowledge's own memory. */
export function knowledgeToWire(knowledge: Knowledge, specs: readonly KnowledgeSpec[], half: boolean): WireKnowledge {
  const tensors: WireTensor[] = [];
  for (const [i, { shape, data }] of knowledge.entries()) {
    const name = nameOf(i);
    const what = `${name} (${specs[i] === undefined ? '' : specKey(specs[i])})`;
    if (!isFiniteArena(data)) return { reason: 'not-finite', message: `${what} is not finite` };
    if (!half) {
      tensors.push({ name, dtype: 'float32', shape, data });
      continue;
    }
    const result = toHalf(data);
    if (!result.fits) {
      const { index, value } = result;
      return { reason: 'beyond-half', message: `number ${index} of ${what} is ${value}; float16 holds at most ${HALF_MAX}` };
    }
    tensors.push({ name, dtype: 'float16', shape, data: result.bits });
  }
  return { tensors };
}

/** The error of knowledge that must not be sent in float16. `where` names its giver. */
export function beyondHalf(stage: string, where: string, { cause }: { readonly cause?: unknown } = {}): StillhouseError {
  const hint = `Leave wire: half out of stages.${stage}. Where numbers grow on and on, the training that makes them diverges: a lower learning rate, or warm-up, usually helps`;
  return new StillhouseError('knowledge.beyondHalf', where, { hint, cause });
}

/**
 * The knowledge in the tensors of an answer, with float16 turned into float32. `shapes` has the shape of each spec that was asked
 * for, the batch first. Throws protocol.invalid when the tensors have other shapes, and training.notFinite when a number is not finite.
 */
export function knowledgeFromWire(tensors: readonly WireTensor[], shapes: readonly (readonly number[])[]): Knowledge {
  if (tensors.length !== shapes.length) throw wrong(`${tensors.length} tensors, and ${shapes.length} were asked for`);
  return tensors.map((tensor, i): KnowledgeTensor => {
    const { name, dtype, shape } = tensor;
    const data = floatsOf(tensor);
    if (name !== nameOf(i) || data === null) throw wrong(`the tensor ${name} (${dtype}) in the place of ${nameOf(i)}`);
    if (String(shape) !== String(shapes[i])) throw wrong(`${name} of [${shape}], and [${shapes[i]}] was asked for`);
    if (!isFiniteArena(data)) throw new StillhouseError('training.notFinite', `the answer's ${name} is not finite`);
    return { shape, data };
  });
}

function floatsOf({ dtype, data }: WireTensor): Float32Array | null {
  if (dtype === 'float32' && data instanceof Float32Array) return data;
  return dtype === 'float16' && data instanceof Uint16Array ? fromHalf(data) : null;
}

function nameOf(place: number): string {
  return `knowledge.${place}`;
}

function wrong(what: string): StillhouseError {
  return new StillhouseError('protocol.invalid', `the answer has ${what}`);
}
