/**
 * Averaging in one step: every replica asks every other for all of its parameters, and sums them in rank order. Each
 * replica receives (replicas - 1) times the arena and sends as much: simple, and good for a few replicas.
 */

import { present } from '../base/assert.js';
import type { DataRequestOf } from '../protocol/data.js';
import { type DataReply, refusal } from '../rpc/data-server.js';
import type { AverageOrder, AverageOutcome, Averaging, AveragingOptions, Contribution } from './averaging.js';
import { OfferedArena, offersNothing } from './offered-arena.js';
import { type Pulled, pullPieces } from './pull-pieces.js';
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
    const kept = await this.#pullMemory(order, own, signal);
    if (!kept.ok) return kept;
    return {
      ok: true,
      parameters: weightedAverage(pulled.pieces),
      ranges: pulled.pieces.map((piece) => piece.ranges),
      memory: kept.pieces.map(({ arena }) => arena),
    };
  }

  /** The memory of each contributor, whole; none where the loss keeps none. */
  async #pullMemory(order: AverageOrder, { samples, memory, ranges }: Contribution, signal: AbortSignal): Promise<Pulled> {
    const { memorySize, contributors } = order;
    if (memory === undefined || memorySize === undefined) return { ok: true, pieces: [] };
    const rangeOf = (index: number) => ({ start: 0, end: memorySize(present(contributors[index], 'a contributor').samples) });
    return pullPieces(this.#options, { order, part: 'memory', own: { samples, arena: memory, ranges }, rangeOf }, signal);
  }

  answer(request: DataRequestOf<'arena.get'>): DataReply {
    if (request.part !== 'average') return this.#offered.answerOwn(request);
    return refusal('invalid-message', 'no replica makes a piece of the average here; ask for the parts trained and memory');
  }
}
