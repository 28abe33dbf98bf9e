/**
 * The side of a replica that asks: it pulls a piece of an arena from every other contributor of an attempt, at the same time; from each part
 * after part, because a piece may be larger than one message should be.
 *
 * Invariant: a piece is used only when all that its answer says agrees with the order and with the request, and all its
 * elements are finite.
 */

import { abortable } from '../base/abortable.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { Contributor } from '../protocol/control.js';
import type { DataAnswerOf, DataMessage, DataRequestOf } from '../protocol/data.js';
import { cutText, type Range } from '../protocol/field.js';
import { describeState, isSameState } from '../protocol/state-name.js';
import { isFiniteArena } from '../tensor/finite.js';
import { PART_ELEMENTS } from '../tensor/state-parts.js';
import type { AverageOrder, AveragingOptions, Unreachable } from './averaging.js';

/** A replica that does not answer is asked for the same part again, this often in all. */
const TRIES = 2;

/** A part of one contributor's arena. */
export interface Piece {
  /** The weight of the contributor. */
  readonly samples: number;
  /** The elements of the range. */
  readonly arena: Float32Array;
  /** All samples in what the contributor has trained. */
  readonly ranges: readonly Range[];
}

export type Pulled =
  /** One piece of each contributor, in the order of the contributors. */
  { readonly ok: true; readonly pieces: readonly Piece[] } | { readonly ok: false; readonly unreachable: readonly Unreachable[] };

export interface Pull {
  readonly order: AverageOrder;
  readonly part: DataRequestOf<'arena.get'>['part'];
  /** The replica's own piece: it does not ask itself. */
  readonly own: Piece;
  /** The elements that are asked of the contributor with this index; at least one. */
  rangeOf(index: number): Range;
}

/** Pulls the pieces. Names every contributor whose piece could not be had. Throws the signal's reason when it is called off. */
export async function pullPieces(options: AveragingOptions, pull: Pull, signal: AbortSignal): Promise<Pulled> {
  const pulling = pull.order.contributors.map((contributor, index) =>
    contributor.incarnation === options.self
      ? pull.own
      : pullOrNot({ ...options, ...pull, signal }, { contributor, range: pull.rangeOf(index) }),
  );
  const results = await abortable(Promise.all(pulling), signal);
  const pieces = results.flatMap((result) => ('arena' in result ? [result] : []));
  if (pieces.length === results.length) return { ok: true, pieces };
  return { ok: false, unreachable: results.flatMap((result) => ('arena' in result ? [] : [result])) };
}

/** All that the requests of one pull share. */
interface Asking extends AveragingOptions, Pull {
  readonly signal: AbortSignal;
}

/** One contributor, and the elements that are asked of it. */
interface Target {
  readonly contributor: Contributor;
  readonly range: Range;
}

async function pullOrNot(asking: Asking, target: Target): Promise<Piece | Unreachable> {
  try {
    return await pullPiece(asking, target);
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    return { replica: target.contributor.incarnation, message: cutText(error.message) };
  }
}

/** The piece, part after part where it is larger than one message should be. */
async function pullPiece(asking: Asking, { contributor, range }: Target): Promise<Piece> {
  const { partElements = PART_ELEMENTS, signal } = asking;
  const partAt = (start: number) => pullPart(asking, { contributor, range: { start, end: Math.min(start + partElements, range.end) } });
  const first = await partAt(range.start);
  if (first.arena.length === range.end - range.start) return first;
  const arena = new Float32Array(range.end - range.start);
  arena.set(first.arena);
  for (let start = range.start + partElements; start < range.end; start += partElements) {
    signal.throwIfAborted();
    const { arena: part, ranges } = await partAt(start);
    if (JSON.stringify(ranges) !== JSON.stringify(first.ranges)) throw wrong(asking, contributor, 'two parts are of different samples');
    arena.set(part, start - range.start);
  }
  return { ...first, arena };
}

/** Asks for a part of a piece, and again where nothing came. */
async function pullPart(asking: Asking, target: Target): Promise<Piece> {
  for (let tries = 1; ; tries++) {
    try {
      return await askForPart(asking, target);
    } catch (error) {
      if (!(error instanceof StillhouseError) || tries === TRIES) throw error;
    }
  }
}

async function askForPart(asking: Asking, target: Target): Promise<Piece> {
  const { term, deadlineMs, request, order, part } = asking;
  const { contributor, range } = target;
  const { state, attempt } = order;
  const answer = await request(contributor.endpoint, { body: { type: 'arena.get', term, state, attempt, part, ...range }, deadlineMs });
  const arena = parametersOf(answer);
  const problem = problemOf(answer.header, asking, target) ?? damageOf(arena, range);
  if (problem !== null) throw wrong(asking, contributor, problem);
  return { samples: contributor.samples, arena, ranges: answer.header.ranges };
}

function wrong({ order }: Pull, { endpoint }: Contributor, what: string): StillhouseError {
  return new StillhouseError('protocol.invalid', `${describeState(order.state)}: ${what}`, { address: endpoint });
}

/** The parameters in an answer; empty when it has none. */
function parametersOf({ tensors }: DataMessage<DataAnswerOf<'arena.answer'>>): Float32Array {
  const data = tensors.find(({ name }) => name === 'parameters')?.data;
  return data instanceof Float32Array ? data : new Float32Array(0);
}

/** The first thing in an answer that differs from the order or the request, in words; null when all agrees. */
function problemOf(answer: DataAnswerOf<'arena.answer'>, pull: Pull, { contributor, range }: Target): string | null {
  const { state, attempt, part, start, end, samples, ranges } = answer;
  const { order } = pull;
  if (!isSameState(state, order.state)) return `the answer is about ${describeState(state)}`;
  if (attempt !== order.attempt) return `the answer is of attempt ${attempt}, not ${order.attempt}`;
  if (part !== pull.part) return `the answer is a piece of the part ${part}, not of the part ${pull.part}`;
  if (start !== range.start || end !== range.end) {
    return `the answer has the elements ${start} to ${end}, not ${range.start} to ${range.end}`;
  }
  if (samples !== contributor.samples) return `the parameters contain ${samples} samples of the round, not ${contributor.samples}`;
  return order.check(contributor, ranges);
}

function damageOf(arena: Float32Array, { start, end }: Range): string | null {
  if (arena.length !== end - start) return `the parameters are ${arena.length} elements, not ${end - start}`;
  return isFiniteArena(arena) ? null : 'the parameters are not finite';
}
