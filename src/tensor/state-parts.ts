/**
 * A state in parts, because it may be larger than one message should be. The tensors are laid end to end, in their order; a part is a range of
 * their elements, and travels as the pieces of the tensors that are in it, each with the tensor's name. Pure.
 *
 * Invariant: the parts of a state, taken in order, are its tensors to the bit; a part that does not go on where the last one ended is refused.
 */

import { assert, present } from '../base/assert.js';
import { LIMITS } from '../base/limits.js';
import { type StateTensors, stateNamesProblem } from './state-tensors.js';
import type { WireTensor } from './tensor.js';

/** The most elements in one part. */
export const PART_ELEMENTS = LIMITS.partBytes / 4;

/** The tensors of a state in their order, each with its number of elements. */
export type StateLayout = readonly { readonly name: string; readonly size: number }[];

/** Elements [start, end). */
export interface ElementRange {
  readonly start: number;
  readonly end: number;
}

/** Elements [start, end) of the tensor of this name, which has `size` of them. */
export interface Piece extends ElementRange {
  readonly name: string;
  readonly size: number;
}

/** A piece with its elements. */
export interface FilledPiece extends Piece {
  readonly data: Float32Array;
}

/** The layout of these tensors. */
export function layoutOf(tensors: StateTensors): { name: string; size: number }[] {
  return [...tensors].map(([name, { length }]) => ({ name, size: length }));
}

/** The number of elements of all tensors. */
export function elementsOf(layout: StateLayout): number {
  return layout.reduce((sum, { size }) => sum + size, 0);
}

/** Says why these are not the tensors of a state; null when they are. */
export function layoutProblem(layout: StateLayout): string | null {
  return stateNamesProblem(layout.map(({ name }) => name)) ?? sizeProblem(layout);
}

/** Says why there are more elements than a state has; null when there are not. */
function sizeProblem(layout: StateLayout): string | null {
  const elements = elementsOf(layout);
  return 4 * elements <= LIMITS.stateBytes ? null : `${elements} elements are more than a state has`;
}

/** Says which name is there twice; null when none is. */
function twiceProblem(layout: StateLayout): string | null {
  const names = layout.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  return twice === undefined ? null : `there are two tensors ${twice}`;
}

/** As much of a part as one message carries. */
export function clippedPart({ start, end }: ElementRange): ElementRange {
  return { start, end: Math.min(end, start + PART_ELEMENTS) };
}

/** The parts of a state, each of so many elements but the last one; a state without elements has one part. */
export function partsOf(layout: StateLayout, elements: number): ElementRange[] {
  const total = elementsOf(layout);
  const count = Math.max(1, Math.ceil(total / elements));
  return Array.from({ length: count }, (_, i) => ({ start: i * elements, end: Math.min((i + 1) * elements, total) }));
}

/** The pieces of the elements [start, end), as far as there are such. None is empty. */
export function piecesOf(layout: StateLayout, { start, end }: ElementRange): Piece[] {
  let offset = 0;
  return layout.flatMap(({ name, size }) => {
    const from = Math.max(start - offset, 0);
    const until = Math.min(end - offset, size);
    offset += size;
    return from < until ? [{ name, size, start: from, end: until }] : [];
  });
}

/** The part as the tensors of a message, which are views. They must not change until it is sent. */
export function partToWire(tensors: StateTensors, range: ElementRange): WireTensor[] {
  return piecesOf(layoutOf(tensors), range).map(({ name, start, end }) => {
    const data = present(tensors.get(name), name).subarray(start, end);
    return { name, dtype: 'float32', shape: [data.length], data };
  });
}

/** The part that is asked for, as far as one message carries it: fields and tensors of an answer. */
export function answerPart(
  tensors: StateTensors,
  asked: ElementRange,
): { readonly part: { readonly layout: ReturnType<typeof layoutOf>; readonly start: number }; readonly pieces: WireTensor[] } {
  return { part: { layout: layoutOf(tensors), start: asked.start }, pieces: partToWire(tensors, clippedPart(asked)) };
}

/**
 * The pieces of a part that begins at the element `start`, from the tensors of a message; in words, why they are not that. The part ends where
 * they end.
 */
export function partFromWire(layout: StateLayout, start: number, tensors: readonly WireTensor[]): FilledPiece[] | string {
  const sent: { readonly name: string; readonly data: Float32Array }[] = [];
  for (const { name, shape, data } of tensors) {
    if (!(data instanceof Float32Array) || shape.length !== 1) return `the tensor ${name} is not float32 of one axis`;
    sent.push({ name, data });
  }
  const total = elementsOf(layout);
  const length = sent.reduce((sum, { data }) => sum + data.length, 0);
  const pieces = piecesOf(layout, { start, end: start + length });
  const filled = pieces.flatMap((piece, i) => {
    const own = sent[i];
    return own?.name === piece.name && own.data.length === piece.end - piece.start ? [{ ...piece, data: own.data }] : [];
  });
  const isEnd = start === total && sent.length === 0;
  if ((filled.length > 0 || isEnd) && filled.length === pieces.length && pieces.length === sent.length) return filled;
  const spelt = sent.map(({ name, data }) => `${data.length} of ${name}`).join(', ') || 'none';
  return `the elements that were sent (${spelt}) are not those from ${start} on of a state of ${total}`;
}

/** Puts a state together from its parts. A tensor that comes in one piece is not copied. */
export class StateAssembly {
  readonly #layout: StateLayout;
  /** The fault of the layout: nothing is taken then. */
  readonly #problem: string | null;
  readonly #tensors = new Map<string, Float32Array>();
  /** The number of elements that are here. */
  taken = 0;

  /** Allocates nothing yet. */
  constructor(layout: StateLayout) {
    this.#layout = layout;
    this.#problem = twiceProblem(layout) ?? sizeProblem(layout);
  }

  get isWhole(): boolean {
    return this.taken === elementsOf(this.#layout);
  }

  /** Takes the part that goes on from the last one; says in words why it does not, and takes nothing then. */
  take(start: number, tensors: readonly WireTensor[]): string | null {
    if (this.#problem !== null) return this.#problem;
    if (start !== this.taken) return `the part begins at the element ${start}, and not at ${this.taken}`;
    const pieces = partFromWire(this.#layout, start, tensors);
    if (typeof pieces === 'string') return pieces;
    for (const { name, size, start: from, data } of pieces) {
      this.taken += data.length;
      const tensor = data.length === size ? data : (this.#tensors.get(name) ?? new Float32Array(size));
      if (tensor !== data) tensor.set(data, from);
      this.#tensors.set(name, tensor);
    }
    return null;
  }

  /** The tensors, which belong to the caller. Asserts that the state is whole. */
  tensors(): StateTensors {
    assert(this.isWhole, `${this.taken} elements of a state of ${elementsOf(this.#layout)}`);
    return new Map(this.#layout.map(({ name }) => [name, this.#tensors.get(name) ?? new Float32Array(0)]));
  }
}
