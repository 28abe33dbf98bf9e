/**
 * Averaging within a row: replicas of one model, each with its trained parameters, come to their average
 * without going through the coordinator. One object is one replica's side of it. The coordinator fixes the contributors,
 * attempt by attempt.
 *
 * Invariants: every replica of an attempt gets the same bits, whichever of them is slow; a contribution is never changed,
 * so that a failed attempt leaves everything for the next; nobody uses a contribution that is not finite, of the wrong size,
 * or of another state or attempt.
 */

import type { Incarnation, Term } from '../base/ids.js';
import type { Contributor } from '../protocol/control.js';
import type { AnswerTo, DataMessage, DataRequestBody, DataRequestOf } from '../protocol/data.js';
import type { Range } from '../protocol/field.js';
import type { StateName } from '../protocol/state-name.js';
import type { DataReply } from '../rpc/data-server.js';

/** The part of one replica in the average. The array must not change while it is offered or while an answer with it is being sent. */
export interface Contribution {
  /** The name of the average once it is committed. */
  readonly state: StateName;
  /** The flat parameter arena after the replica's ranges of the round, without the loss's memory. */
  readonly parameters: Float32Array;
  /** All samples of the stage in the parameters. */
  readonly ranges: readonly Range[];
  /** The number of samples of this round, which is the weight. A whole number from 1. */
  readonly samples: number;
  /** The memory of the samples of this round, packed (memory-rows.ts). It is not averaged. */
  readonly memory?: Float32Array | undefined;
}

/** One try to average, as `coordinator.average` orders it. */
export interface AverageOrder {
  readonly state: StateName;
  readonly attempt: number;
  /** In rank order, the replica itself among them. */
  readonly contributors: readonly Contributor[];
  /** Says in words why a replica's ranges do not fit; null when its parameters may be used. */
  check(contributor: Contributor, ranges: readonly Range[]): string | null;
  /** The elements of a contributor's memory, by its samples of the round; it is there where the loss keeps one. */
  memorySize?: ((samples: number) => number) | undefined;
}

/** A replica whose contribution could not be fetched, and the reason. */
export interface Unreachable {
  readonly replica: Incarnation;
  readonly message: string;
}

export type AverageOutcome =
  /** A new array, and the ranges of each contributor in rank order; with the memory of each, where the loss keeps one. */
  | {
      readonly ok: true;
      readonly parameters: Float32Array;
      readonly ranges: readonly (readonly Range[])[];
      readonly memory: readonly Float32Array[];
    }
  | { readonly ok: false; readonly unreachable: readonly Unreachable[] };

export interface Averaging {
  /** Offers a contribution to the other replicas. Replaces the offer before. */
  offer(contribution: Contribution): void;
  /** Takes the offer back: requests are then refused. Changes nothing without an offer. */
  takeBack(): void;
  /** Averages the offered contribution with those of the others. Throws the signal's reason when it is cancelled. */
  average(order: AverageOrder, signal: AbortSignal): Promise<AverageOutcome>;
  /**
   * Answers another replica; never throws or rejects. The answer for a piece of the average may wait until the piece is made,
   * at the longest until the attempt ends, or what is offered is taken back or replaced; who asks has a deadline of its own.
   */
  answer(request: DataRequestOf<'arena.get'>): DataReply | Promise<DataReply>;
}

export interface AveragingOptions {
  readonly term: Term;
  /** This replica. */
  readonly self: Incarnation;
  /** The time for one request to another replica. */
  readonly deadlineMs: number;
  /** The elements that are asked for in one request; by default as many as a part of a state has. */
  readonly partElements?: number | undefined;
  /** Asks another replica. Rejects with a StillhouseError: late, refused, closed, full, no answer of the protocol. */
  request<B extends DataRequestBody>(
    endpoint: string,
    request: { readonly body: B; readonly deadlineMs: number },
  ): Promise<DataMessage<AnswerTo<B['type']>>>;
}

/** Makes one replica's side. */
export type OpenAveraging = (options: AveragingOptions) => Averaging;
