/**
 * One round: the unit of work. Pure data and questions about it; training.ts and evaluating.ts decide what follows.
 *
 *   train:     training --all reported, or deadline--> averaging --all averaged, same hash--> committed
 *              averaging --a contributor is lost--> averaging again, one attempt on, with the rest
 *   evaluate:  all members report their rows -> done; a member is lost -> begun again by the others
 *   export:    the artifact is stored -> done
 *
 * Invariants: the contributor set is fixed before any arena is asked for; a range belongs to one member.
 */

import { present } from '../../src/base/assert.js';
import type { Incarnation, RoundId } from '../../src/base/ids.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';

export interface TrainMember {
  readonly incarnation: Incarnation;
  readonly ranges: readonly Range[];
  readonly trained: WorkerMessageOf<'worker.trained'> | null;
  /** Of the attempt under way. */
  readonly averaged: WorkerMessageOf<'worker.averaged'> | null;
}

export interface TrainRound {
  readonly kind: 'train';
  readonly id: RoundId;
  readonly phase: 'training' | 'averaging';
  /** 0 while training; then the number of the exchange. */
  readonly attempt: number;
  /** While averaging: the contributors, in rank order. */
  readonly members: readonly TrainMember[];
  readonly deadlineMs: number;
}

export interface EvaluateMember {
  readonly incarnation: Incarnation;
  readonly rows: number;
  readonly evaluated: WorkerMessageOf<'worker.evaluated'> | null;
}

export interface EvaluateRound {
  readonly kind: 'evaluate';
  readonly id: RoundId;
  readonly epoch: number;
  readonly members: readonly EvaluateMember[];
  readonly deadlineMs: number;
}

export interface ExportRound {
  readonly kind: 'export';
  readonly id: RoundId;
  readonly member: Incarnation;
  readonly deadlineMs: number;
}

export type Round = TrainRound | EvaluateRound | ExportRound;

/** Whether the incarnation has a share in the round. */
export function isInRound(round: Round, incarnation: Incarnation): boolean {
  if (round.kind === 'export') return round.member === incarnation;
  return round.members.some((member) => member.incarnation === incarnation);
}

/** Who has a share in the round; of a round of training, in rank order. */
export function membersOf(round: Round): Incarnation[] {
  return round.kind === 'export' ? [round.member] : round.members.map(({ incarnation }) => incarnation);
}

/** The round with one member's report entered; the same round when the report is not one it waits for. */
export function withTrained(round: TrainRound, message: WorkerMessageOf<'worker.trained'>): TrainRound {
  if (round.phase !== 'training' || !isInRound(round, message.incarnation)) return round;
  const members = round.members.map((member) => (member.incarnation === message.incarnation ? { ...member, trained: message } : member));
  return { ...round, members };
}

/** The same for a report of averaging: only the attempt under way counts. */
export function withAveraged(round: TrainRound, message: WorkerMessageOf<'worker.averaged'>): TrainRound {
  if (round.phase !== 'averaging' || message.attempt !== round.attempt || !isInRound(round, message.incarnation)) return round;
  const members = round.members.map((member) => (member.incarnation === message.incarnation ? { ...member, averaged: message } : member));
  return { ...round, members };
}

/** Splits off the members that `keep` refuses, and their ranges. */
export function withoutMembers(
  round: TrainRound,
  keep: (member: TrainMember) => boolean,
): { readonly round: TrainRound; readonly dropped: readonly Incarnation[]; readonly ranges: readonly Range[] } {
  const dropped = round.members.filter((member) => !keep(member));
  return {
    round: { ...round, members: round.members.filter(keep) },
    dropped: dropped.map(({ incarnation }) => incarnation),
    ranges: dropped.flatMap(({ ranges }) => ranges),
  };
}

/** The next exchange: what was averaged before is void. */
export function nextAttempt(round: TrainRound, deadlineMs: number): TrainRound {
  const members = round.members.map((member) => ({ ...member, averaged: null }));
  return { ...round, phase: 'averaging', attempt: round.attempt + 1, members, deadlineMs };
}

export interface RoundTotals {
  readonly samples: number;
  readonly lossSum: number;
  /** Of the samples as they came, augmented, while the parameters changed. */
  readonly correct: number;
  /** Until the slowest member had trained. */
  readonly trainMs: number;
  /** The slowest member's milliseconds per sample. */
  readonly msPerSample: number;
}

/** Over the contributors of a round whose members have all trained. */
export function totalsOf(round: TrainRound): RoundTotals {
  const reports = round.members.map(({ trained }) => present(trained, 'a contributor that has not trained'));
  return {
    samples: reports.reduce((sum, { samples }) => sum + samples, 0),
    lossSum: reports.reduce((sum, { lossSum }) => sum + lossSum, 0),
    correct: reports.reduce((sum, { correct }) => sum + correct, 0),
    trainMs: Math.max(...reports.map(({ trainMs }) => trainMs)),
    msPerSample: Math.max(...reports.map(({ trainMs, samples }) => trainMs / samples)),
  };
}

/**
 * The hash that all contributors agree on: the sum is in rank order, so the bits must be the same, and contain what the
 * ledger says. Otherwise what is wrong, in words.
 */
export function agreedHash(round: TrainRound, committedBefore: number): { readonly hash: string } | { readonly problem: string } {
  const reports = round.members.map(({ averaged }) => present(averaged, 'a contributor that has not averaged'));
  const { hash } = present(reports[0], 'a contributor');
  const expected = committedBefore + totalOf(round.members.flatMap(({ ranges }) => ranges));
  for (const { incarnation, ...report } of reports) {
    if (report.hash !== hash) return { problem: `round ${round.id}: incarnation ${incarnation} averaged to other bits than its peers` };
    if (report.contained === expected) continue;
    return {
      problem: `round ${round.id}: the average of incarnation ${incarnation} contains ${report.contained} samples, not ${expected}`,
    };
  }
  return { hash };
}
