/**
 * Averaging in one step: every replica asks every other for all of its parameters, and sums them in rank order. Each
 * replica receives (replicas - 1) times the arena and sends as much: simple, and good for a few replicas.
 */

import type { DataRequestOf } from '../protocol/data.js';
import { type DataReply, refusal } from '../rpc/data-server.js';
import type { AverageOrder, AverageOutcome, Averaging, AveragingOptions, Contribution } from './averaging.js';
import { OfferedArena, offersNothing } from './offered-arena.js';
import { pullPieces } from './pull-pieces.js';
import { weightedAverage } from './weighted-average.js';

/** One replica's side of it. */
export function openAllPull(options: AveragingOptions): Averaging {
  return new AllPull(options);
}

class AllPull implements Averaging {
  readonly #options: AveragingOptions;
  readonly #offered = new OfferedArena();

  constructor(options: AveragingOptions) {
    this.#options = options;
  }

  offer(contribution: Contribution): void {
    this.#offered.offer(contribution);
  }

  takeBack(): void {
    this.#offered.takeBack();
  }

  async average(order: AverageOrder, signal: AbortSignal): Promise<AverageOutcome> {
    const own = this.#offered.contributionTo(order.state);
    if (own === null) return offersNothing(this.#options.self, order.state);
    const { samples, parameters, ranges } = own;
    const whole = { start: 0, end: parameters.length };
    const pull = { order, part: 'trained', own: { samples, arena: parameters, ranges }, rangeOf: () => whole } as const;
    const pulled = await pullPieces(this.#options, pull, signal);
    if (!pulled.ok) return pulled;
    return { ok: true, parameters: weightedAverage(pulled.pieces), ranges: pulled.pieces.map((piece) => piece.ranges) };
  }

  answer(request: DataRequestOf<'arena.get'>): DataReply {
    if (request.part === 'trained') return this.#offered.answerTrained(request);
    return refusal('invalid-message', 'no replica makes a piece of the average here; ask for the part trained');
  }
}
