/**
 * Averaging in one step: every replica asks every other for all of its parameters, and sums them in rank order. Each
 * replica receives (replicas - 1) times the arena and sends as much: simple, and good for a few replicas.
 */

import { abortable } from '../base/abortable.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import type { Contributor } from '../protocol/control.js';
import type { DataAnswerBody, DataAnswerOf, DataMessage, DataRequestOf } from '../protocol/data.js';
import { cutText, type Range } from '../protocol/field.js';
import { describeState, isSameState } from '../protocol/state-name.js';
import { type DataReply, refusal } from '../rpc/data-server.js';
import { isFiniteArena } from '../tensor/finite.js';
import type { AverageOrder, AverageOutcome, Averaging, AveragingOptions, Contribution, Unreachable } from './averaging.js';
import { weightedAverage } from './weighted-average.js';

/** A replica that does not answer is asked again, this often in all. */
const TRIES = 2;

interface Pulled {
  /** The weight. */
  readonly samples: number;
  readonly arena: Float32Array;
  readonly ranges: readonly Range[];
}

/** One replica's side of it. */
export function openAllPull(options: AveragingOptions): Averaging {
  return new AllPull(options);
}

class AllPull implements Averaging {
  readonly #options: AveragingOptions;
  #own: Contribution | null = null;

  constructor(options: AveragingOptions) {
    this.#options = options;
  }

  offer(contribution: Contribution): void {
    this.#own = contribution;
  }

  takeBack(): void {
    this.#own = null;
  }

  async average(order: AverageOrder, signal: AbortSignal): Promise<AverageOutcome> {
    const own = this.#own;
    if (own === null || !isSameState(own.state, order.state)) {
      return { ok: false, unreachable: [{ replica: this.#options.self, message: `it offers nothing for ${describeState(order.state)}` }] };
    }
    const pulling = order.contributors.map((contributor) =>
      contributor.incarnation === this.#options.self ? ownPart(own) : this.#pullOrNot(order, contributor, own),
    );
    const results = await abortable(Promise.all(pulling), signal);
    const pulled = results.flatMap((result) => ('arena' in result ? [result] : []));
    if (pulled.length < results.length) {
      return { ok: false, unreachable: results.flatMap((result) => ('arena' in result ? [] : [result])) };
    }
    return { ok: true, parameters: weightedAverage(pulled), ranges: pulled.map(({ ranges }) => ranges) };
  }

  answer({ state, attempt, part, start, end }: DataRequestOf<'arena.get'>): DataReply {
    if (part !== 'trained') return refusal('invalid-message', 'no replica makes a piece of the average here; ask for the part trained');
    const own = this.#own;
    if (own === null) return refusal('not-ready', `nothing is trained for ${describeState(state)} here`);
    if (own.state.stage !== state.stage) return refusal('wrong-stage', `${describeState(own.state)} is under way`);
    if (!isSameState(own.state, state)) return refusal('wrong-round', `${describeState(own.state)} is under way`);
    if (start >= end || end > own.parameters.length) {
      return refusal('invalid-message', `elements ${start} to ${end} of an arena of ${own.parameters.length}`);
    }
    const { parameters, samples, ranges } = own;
    const header: DataAnswerBody = { type: 'arena.answer', state, attempt, part, start, end, samples, ranges: [...ranges] };
    const data = parameters.subarray(start, end);
    return { header, tensors: [{ name: 'parameters', dtype: 'float32', shape: [data.length], data }] };
  }

  async #pullOrNot(order: AverageOrder, contributor: Contributor, own: Contribution): Promise<Pulled | Unreachable> {
    let message = '';
    for (let i = 0; i < TRIES; i++) {
      try {
        return await this.#pull(order, contributor, own.parameters.length);
      } catch (error) {
        if (!(error instanceof StillhouseError)) throw error;
        message = cutText(error.message);
      }
    }
    return { replica: contributor.incarnation, message };
  }

  async #pull(order: AverageOrder, contributor: Contributor, size: number): Promise<Pulled> {
    const { term, deadlineMs, request } = this.#options;
    const { state, attempt } = order;
    const body = { type: 'arena.get', term, state, attempt, part: 'trained', start: 0, end: size } as const;
    const answer = await request(contributor.endpoint, { body, deadlineMs });
    const arena = piece(answer);
    const problem = problemOf(answer.header, { order, contributor, size }) ?? damageOf(arena, size);
    if (problem !== null) {
      throw new StillhouseError('protocol.invalid', `${describeState(state)}: ${problem}`, { address: contributor.endpoint });
    }
    return { samples: contributor.samples, arena, ranges: answer.header.ranges };
  }
}

function ownPart({ samples, parameters, ranges }: Contribution): Pulled {
  return { samples, arena: parameters, ranges };
}

/** The parameters in an answer; empty when it has none. */
function piece({ tensors }: DataMessage<DataAnswerOf<'arena.answer'>>): Float32Array {
  const data = tensors.find(({ name }) => name === 'parameters')?.data;
  return data instanceof Float32Array ? data : new Float32Array(0);
}

/** The first thing in an answer that differs from the order, in words; null when all agrees. */
function problemOf(
  { state, attempt, part, start, end, samples, ranges }: DataAnswerOf<'arena.answer'>,
  { order, contributor, size }: { readonly order: AverageOrder; readonly contributor: Contributor; readonly size: number },
): string | null {
  if (!isSameState(state, order.state)) return `the answer is about ${describeState(state)}`;
  if (attempt !== order.attempt) return `the answer is of attempt ${attempt}, not ${order.attempt}`;
  if (part !== 'trained') return `the answer is a piece of the part ${part}, not of the part trained`;
  if (start !== 0 || end !== size) return `the answer has the elements ${start} to ${end} of ${size}`;
  if (samples !== contributor.samples) return `the parameters contain ${samples} samples of the round, not ${contributor.samples}`;
  return order.check(contributor, ranges);
}

function damageOf(arena: Float32Array, size: number): string | null {
  if (arena.length !== size) return `the parameters are ${arena.length} elements, not ${size}`;
  return isFiniteArena(arena) ? null : 'the parameters are not finite';
}
