/** Rounds that train nothing: evaluation of the committed parameters, shared out by rows, and export. */

import { assert } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Evaluation } from '../../src/protocol/report.js';
import { countFailure } from './ending.js';
import type { ReadyMember } from './roster.js';
import { type EvaluateRound, isInRound, membersOf } from './round.js';
import { assign, evenly } from './training.js';
import { journal, report, sendTo, setStage, stageOf, type Turn, takeRoundId } from './turn.js';

/** Shares the rows of the stage's test split out to these students. */
export function startEvaluation(turn: Turn, epoch: number, students: readonly ReadyMember[]): void {
  const { recipe } = stageOf(turn);
  assert(recipe.kind !== 'export', 'an export stage evaluates nothing');
  const rows = turn.state.plan.splitSizes[recipe.test] ?? 0;
  const members = students.slice(0, rows);
  const id = takeRoundId(turn);
  const deadlineMs = turn.nowMs + evaluationBudgetMs(turn, Math.ceil(rows / members.length));
  const shares = evenly(rows, members.length);
  const entries = members.map(({ incarnation }, index) => ({ incarnation, rows: shares[index] ?? 0, evaluated: null }));
  setStage(turn, { round: { kind: 'evaluate', id, epoch, members: entries, deadlineMs } });
  let start = 0;
  shares.forEach((count, index) => {
    const member = members[index];
    assert(member, 'a share of rows without a member');
    const work = { kind: 'evaluate' as const, split: recipe.test, start, end: start + count };
    assign(turn, member.incarnation, { round: id, work });
    start += count;
  });
}

/** As for rounds of training; before any evaluation, the last training round says how slow the model may be. */
function evaluationBudgetMs(turn: Turn, rows: number): number {
  const { evaluations, msPerSample } = stageOf(turn);
  const { firstRoundMs, roundFloorMs, roundFactor } = turn.state.plan.timing;
  const measured = evaluations.at(-1)?.millisecondsPerImage ?? null;
  if (measured !== null) return Math.max(roundFloorMs, roundFactor * measured * rows);
  return Math.max(firstRoundMs, roundFactor * (msPerSample ?? 0) * rows);
}

/** One member's rows are evaluated; the last one closes the evaluation. A report of another round says nothing. */
export function onEvaluated(turn: Turn, message: WorkerMessageOf<'worker.evaluated'>): void {
  const { round } = stageOf(turn);
  if (round?.kind !== 'evaluate' || round.id !== message.round) return;
  const members = round.members.map((member) => (member.incarnation === message.incarnation ? { ...member, evaluated: message } : member));
  const next: EvaluateRound = { ...round, members };
  setStage(turn, { round: next });
  if (members.every(({ evaluated }) => evaluated !== null)) closeEvaluation(turn, next);
}

function closeEvaluation(turn: Turn, round: EvaluateRound): void {
  const stage = stageOf(turn);
  const reports = round.members.flatMap(({ evaluated }) => (evaluated === null ? [] : [evaluated]));
  const sum = (of: (message: WorkerMessageOf<'worker.evaluated'>) => number) => reports.reduce((total, message) => total + of(message), 0);
  const count = sum((message) => message.count);
  const evaluation: Evaluation = {
    epoch: round.epoch,
    accuracy: sum(({ correct }) => correct) / count,
    loss: sum(({ lossSum }) => lossSum) / count,
    millisecondsPerImage: sum(({ evaluateMs }) => evaluateMs) / count,
    parameters: reports[0]?.parameters ?? 0,
  };
  journal(turn, { type: 'evaluation', stage: stage.name, evaluation });
  report(turn, { type: 'evaluated', stage: stage.name, evaluation });
  setStage(turn, { round: null, evaluations: [...stage.evaluations, evaluation], failures: 0 });
}

/** Has one student write the stage's model as a tf.LayersModel. */
export function startExport(turn: Turn, student: ReadyMember): void {
  const id = takeRoundId(turn);
  const deadlineMs = turn.nowMs + turn.state.plan.timing.firstRoundMs;
  setStage(turn, { round: { kind: 'export', id, member: student.incarnation, deadlineMs } });
  assign(turn, student.incarnation, { round: id, work: { kind: 'export' } });
}

/** The export is on disk, if it came from the member that was asked for it. */
export function onArtifactStored(turn: Turn, incarnation: Incarnation): void {
  const round = turn.state.stage?.round;
  if (round?.kind !== 'export' || round.member !== incarnation) return;
  setStage(turn, { round: null, exported: true, failures: 0 });
}

/** Gives an evaluation or an export up; whoever is there begins it again. */
export function abandonOther(turn: Turn, reason: string): void {
  const { round } = stageOf(turn);
  if (round === null || round.kind === 'train') return;
  setStage(turn, { round: null });
  for (const incarnation of membersOf(round)) sendTo(turn, incarnation, { type: 'coordinator.abandon', round: round.id, reason });
}

/** The deadline of an evaluation or an export is over: it is given up, and counts as a failure. */
export function onOtherDeadline(turn: Turn): void {
  abandonOther(turn, 'the deadline is over');
  countFailure(turn, 'transport.deadline', 'an evaluation or export took too long');
}

/** A member of an evaluation or an export is lost. */
export function dropFromOther(turn: Turn, incarnation: Incarnation, reason: string): void {
  const { round } = stageOf(turn);
  if (round !== null && round.kind !== 'train' && isInRound(round, incarnation)) abandonOther(turn, reason);
}
