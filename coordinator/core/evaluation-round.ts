/** Rounds that test the committed parameters: the rows of a split are shared out, and the results are added up. */

import { assert } from '../../src/base/assert.js';
import { addSums, calibrationOf, NO_SUMS } from '../../src/base/calibration.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Evaluation } from '../../src/protocol/report.js';
import { assign, otherCells } from './assignment.js';
import { type ReasonFor, reasonsBy, unreachable } from './charge.js';
import { countFailure } from './ending.js';
import { evenly, type Seat } from './grid.js';
import { factsOf, type Learning } from './learning.js';
import type { EvaluateRound } from './round.js';
import type { Charge, RoundSort } from './round-sort.js';
import { lastEvaluation } from './stage.js';
import { journal, report, sendTo, setStage, stageOf, type Turn, takeRoundId } from './turn.js';

export interface EvaluationOptions {
  /** The stage whose committed parameters are tested. */
  readonly stage: string;
  /** The columns among which the rows are shared out. Each has a cell for each of the peers that are tested. */
  readonly columns: readonly (readonly Seat[])[];
  /** The evaluation is after this epoch. */
  readonly epoch: number;
  readonly split: string;
}

/** Shares the rows of a split out to these columns. */
export function startEvaluation(turn: Turn, { stage, columns, epoch, split }: EvaluationOptions): void {
  const rows = turn.state.plan.splitSizes[split] ?? 0;
  // Such a round would have no member, and nobody would end it.
  assert(rows > 0, `stage ${stageOf(turn).name}: the split ${split} has no row to evaluate on`);
  const used = columns.slice(0, rows);
  const shares = evenly(rows, used.length);
  const id = takeRoundId(turn);
  const peers = used[0]?.map(({ peer }) => peer) ?? [];
  const budgets = peers.map((peer) => evaluationBudgetMs(turn, peer, Math.ceil(rows / used.length)));
  const members = used.flatMap((cells, column) => cells.map((cell) => ({ ...cell, rows: shares[column] ?? 0, evaluated: null })));
  setStage(turn, {
    round: { sort: 'evaluate', id, epoch, tested: stageOf(turn).base.round, members, deadlineMs: turn.nowMs + Math.max(...budgets) },
  });
  let start = 0;
  for (const [column, cells] of used.entries()) {
    const end = start + (shares[column] ?? 0);
    for (const { peer, incarnation } of cells) {
      const work = { kind: 'evaluate' as const, split, start, end, others: otherCells(turn, cells, peer) };
      assign(turn, incarnation, { round: id, subject: { stage, peer }, work });
    }
    start = end;
  }
  assert(start === rows, `${start} of ${rows} rows are shared out`);
}

/** As for rounds of training; before any evaluation, the last training round says how slow the model may be. */
function evaluationBudgetMs(turn: Turn, peer: string, rows: number): number {
  const stage = stageOf(turn);
  const { firstRoundMs, roundFloorMs, roundFactor } = turn.state.plan.timing;
  const measured = lastEvaluation(stage, peer)?.millisecondsPerImage ?? null;
  if (measured !== null) return Math.max(roundFloorMs, roundFactor * measured * rows);
  return Math.max(firstRoundMs, roundFactor * (stage.msPerSample ?? 0) * rows);
}

/** How an evaluation is led. The loss of a member ends it, and the members that are left begin it again. */
export const EVALUATION_ROUND: RoundSort<EvaluateRound> = {
  members: ({ members }) => members.map(({ incarnation }) => incarnation),

  onReport(turn, round, { message }) {
    if (message.type === 'worker.evaluated') return onEvaluated(turn, round, message);
    const isAboutCell = message.type === 'worker.unreachable' && message.attempt === 0;
    // The cells of a column exchange what they say of the rows, as in training.
    return isAboutCell && round.members.some(({ incarnation }) => incarnation === message.replica)
      ? unreachable(turn, round, message)
      : null;
  },

  withdraw(turn, round, leaver) {
    const { needs, name } = stageOf(turn);
    abandon(turn, round, reasonsBy(leaver, { stage: needs.of?.stage ?? name, seats: round.members }));
  },

  withdrawAll: (turn, round, reason) => abandon(turn, round, () => reason),

  conclude(turn, round, { member, reason }) {
    if (member === null) EVALUATION_ROUND.withdrawAll(turn, round, reason);
    else if (round.members.some(({ incarnation }) => incarnation === member.incarnation))
      EVALUATION_ROUND.withdraw(turn, round, { member, reason });
  },

  onDeadline(turn, round) {
    const late = round.members.filter(({ evaluated }) => evaluated === null).map(({ incarnation }) => incarnation);
    abandon(turn, round, (incarnation) =>
      late.includes(incarnation) ? 'it did not evaluate in time' : 'another student did not evaluate in time',
    );
    countFailure(turn, 'transport.deadline', 'an evaluation took too long');
    return [];
  },
};

function abandon(turn: Turn, { id, members }: EvaluateRound, reasonFor: ReasonFor): void {
  setStage(turn, { round: null });
  for (const { incarnation } of members)
    sendTo(turn, incarnation, { type: 'coordinator.abandon', round: id, reason: reasonFor(incarnation) });
}

/** Enters one member's result; the last one closes the evaluation. */
function onEvaluated(turn: Turn, round: EvaluateRound, message: WorkerMessageOf<'worker.evaluated'>): Charge | null {
  const { incarnation, count, correct, agreed } = message;
  const rows = round.members.find((member) => member.incarnation === incarnation)?.rows;
  if (rows === undefined) return null;
  if (count !== rows || correct > rows || Object.values(agreed).some((same) => same > rows)) {
    return { type: 'untrue', incarnation, reason: `it says it evaluated ${count} images, ${correct} of them right, of ${rows}` };
  }
  const members = round.members.map((member) => (member.incarnation === incarnation ? { ...member, evaluated: message } : member));
  const next: EvaluateRound = { ...round, members };
  setStage(turn, { round: next });
  if (members.every(({ evaluated }) => evaluated !== null)) closeEvaluation(turn, next);
  return null;
}

/** Adds the parts of each peer up. */
function closeEvaluation(turn: Turn, round: EvaluateRound): void {
  const stage = stageOf(turn);
  const peers = [...new Set(round.members.map(({ peer }) => peer))];
  const evaluations = peers.map((peer) => evaluationOf(round, peer, stage.learning));
  for (const evaluation of evaluations) {
    journal(turn, { type: 'evaluation', stage: stage.name, evaluation });
    report(turn, { type: 'evaluated', stage: stage.name, evaluation });
  }
  setStage(turn, { round: null, learning: {}, evaluations: [...stage.evaluations, ...evaluations], failures: 0 });
}

function evaluationOf({ members, epoch, tested }: EvaluateRound, peer: string, learning: Learning): Evaluation {
  const reports = members.flatMap((member) => (member.peer === peer && member.evaluated !== null ? [member.evaluated] : []));
  const sum = (of: (message: WorkerMessageOf<'worker.evaluated'>) => number) => reports.reduce((total, message) => total + of(message), 0);
  const count = sum((message) => message.count);
  const others = Object.keys(reports[0]?.agreed ?? {});
  return {
    peer,
    epoch,
    round: tested,
    accuracy: sum(({ correct }) => correct) / count,
    loss: sum(({ lossSum }) => lossSum) / count,
    millisecondsPerImage: sum(({ evaluateMs }) => evaluateMs) / count,
    parameters: reports[0]?.parameters ?? 0,
    agreement: Object.fromEntries(others.map((other) => [other, sum(({ agreed }) => agreed[other] ?? 0) / count])),
    calibration: calibrationOf(reports.map(({ calibration }) => calibration).reduce(addSums, NO_SUMS)),
    training: factsOf(learning[peer]),
  };
}
