/**
 * Averaging within a row: replicas of one model, each with the parameters that it has trained, come to their average
 * without going through the coordinator. One object is one replica's side of it. It decides nothing about who takes part:
 * the coordinator fixes that, attempt by attempt.
 *
 * Invariants: every replica of an attempt gets the same bits, whichever of them is slow; nothing that goes in is changed,
 * so that an attempt that fails leaves all for the next; a contribution that is not finite, of the wrong size, or of
 * another state or attempt is used by nobody.
 */

import type { Incarnation, Term } from '../base/ids.js';
import type { Contributor } from '../protocol/control.js';
import type { AnswerTo, DataMessage, DataRequestBody, DataRequestOf } from '../protocol/data.js';
import type { Range } from '../protocol/field.js';
import type { StateName } from '../protocol/state-name.js';
import type { DataReply } from '../rpc/data-server.js';

/** The part of one replica in the average. The array must not change while it is offered, nor as long as it travels. */
export interface Contribution {
  /** The name of the average once it is committed. */
  readonly state: StateName;
  /** The flat parameter arena after the replica's ranges of the round. */
  readonly parameters: Float32Array;
  /** All samples of the stage in the parameters. */
  readonly ranges: readonly Range[];
  /** Those of this round: the weight. A whole number from 1. */
  readonly samples: number;
}

/** One try to average, as `coordinator.average` orders it. */
export interface AverageOrder {
  readonly state: StateName;
  readonly attempt: number;
  /** In rank order, the replica itself among them. */
  readonly contributors: readonly Contributor[];
  /** Says in words why a replica's ranges do not fit; null when its parameters may be used. */
  check(contributor: Contributor, ranges: readonly Range[]): string | null;
}

/** A replica whose contribution could not be had, and why. */
export interface Unreachable {
  readonly replica: Incarnation;
  readonly message: string;
}

export type AverageOutcome =
  /** A fresh array, and the ranges of each contributor in rank order. */
  | { readonly ok: true; readonly parameters: Float32Array; readonly ranges: readonly (readonly Range[])[] }
  | { readonly ok: false; readonly unreachable: readonly Unreachable[] };

export interface Averaging {
  /** From now on the others may have this. Replaces what was offered before. */
  offer(contribution: Contribution): void;
  /** Takes back what was offered: whoever asks is refused. Without an offer it changes nothing. */
  takeBack(): void;
  /** Averages what is offered with that of the others. Throws the signal's reason when it is called off. */
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
  /** For one request to another replica. */
  readonly deadlineMs: number;
  /** Asks another replica. Rejects with a StillhouseError: late, refused, closed, full, no answer of the protocol. */
  request<B extends DataRequestBody>(
    endpoint: string,
    request: { readonly body: B; readonly deadlineMs: number },
  ): Promise<DataMessage<AnswerTo<B['type']>>>;
}

/** Makes one replica's side. */
export type OpenAveraging = (options: AveragingOptions) => Averaging;
