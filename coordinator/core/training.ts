/**
 * Rounds of training, from the assignment to the commit. What a round needs of the wire is in src/protocol/README.md.
 *
 * Invariant: between two commits the committed state is untouched; a range leaves the round only by a commit or back
 * to the queue.
 */

import type { Incarnation } from '../../src/base/ids.js';
import { splitRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Base, Work, WorkerMessageOf } from '../../src/protocol/control.js';
import { countFailure, finish } from './ending.js';
import { commitLent, committedOf, giveBack, lend, samplesOf } from './ledger.js';
import { isReady, type ReadyMember } from './roster.js';
import {
  agreedHash,
  nextAttempt,
  type RoundTotals,
  type TrainRound,
  totalsOf,
  withAveraged,
  withoutMembers,
  withTrained,
} from './round.js';
import { isTraining, type StageState } from './stage.js';
import { journal, log, report, sendTo, setStage, stageOf, type Turn, takeRoundId } from './turn.js';

/** The rate that is shown is that of the last seconds. */
const RATE_WINDOW_MS = 10_000;

/** Lends the next positions to these students and tells each its ranges. */
export function startTraining(turn: Turn, students: readonly ReadyMember[]): void {
  const stage = stageOf(turn);
  const recipe = stage.recipe;
  if (!isTraining(recipe)) return;
  const { ledger, ranges } = lend(stage.ledger, students.length * recipe.batch * recipe.every);
  const roundSamples = totalOf(ranges);
  const shares = splitRanges(ranges, evenly(roundSamples, students.length));
  const members = students.flatMap(({ incarnation }, index) => {
    const own = shares[index] ?? [];
    return own.length === 0 ? [] : [{ incarnation, ranges: own, trained: null, averaged: null }];
  });
  const deadlineMs = turn.nowMs + roundBudgetMs(turn, stage, Math.ceil(roundSamples / members.length));
  const id = takeRoundId(turn);
  setStage(turn, { ledger, round: { kind: 'train', id, phase: 'training', attempt: 0, members, deadlineMs } });
  for (const member of members) {
    assign(turn, member.incarnation, { round: id, work: { kind: 'train', ranges: [...member.ranges], roundSamples } });
  }
}

/** Whole numbers that add up to `total` and differ by at most one. */
export function evenly(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor((total * (index + 1)) / parts) - Math.floor((total * index) / parts));
}

function roundBudgetMs(turn: Turn, stage: StageState, samplesEach: number): number {
  const { firstRoundMs, roundFloorMs, roundFactor } = turn.state.plan.timing;
  return stage.msPerSample === null ? firstRoundMs : Math.max(roundFloorMs, roundFactor * stage.msPerSample * samplesEach);
}

/** Sends work on the committed parameters of the stage under way. */
export function assign(
  turn: Turn,
  incarnation: Incarnation,
  { round, work }: { readonly round: TrainRound['id']; readonly work: Work },
): void {
  const { recipe, name } = stageOf(turn);
  const stage = isTraining(recipe) ? name : recipe.of;
  sendTo(turn, incarnation, { type: 'coordinator.assign', round, stage, base: baseFor(turn), work });
}

function baseFor(turn: Turn): Base {
  const { base, ledger } = stageOf(turn);
  const sources = base.holders.flatMap((holder) => {
    const member = turn.state.roster.get(holder);
    return member !== undefined && isReady(member) ? [member.engine.endpoint] : [];
  });
  return { round: base.round, hash: base.hash, committed: committedOf(ledger), sources, checkpoint: base.checkpoint };
}

/** A member has trained its ranges; the last one fixes the contributor set. */
export function onTrained(turn: Turn, message: WorkerMessageOf<'worker.trained'>): void {
  const round = roundOf(turn, message.round);
  if (round === null) return;
  const next = withTrained(round, message);
  if (next === round) return;
  setStage(turn, { round: next });
  if (next.members.every(({ trained }) => trained !== null)) fixContributors(turn);
}

/** A contributor has averaged; the last one commits the round, when all have the same bits. */
export function onAveraged(turn: Turn, message: WorkerMessageOf<'worker.averaged'>): void {
  const round = roundOf(turn, message.round);
  if (round === null) return;
  const next = withAveraged(round, message);
  if (next === round) return;
  setStage(turn, { round: next });
  if (next.members.every(({ averaged }) => averaged !== null)) commit(turn, next);
}

/** The deadline of the phase is over: whoever is late is out of this round. */
export function onTrainingDeadline(turn: Turn): void {
  const round = currentRound(turn);
  if (round === null) return;
  log(turn, ['warn', 'round.deadline'], { round: round.id, phase: round.phase, attempt: round.attempt });
  if (round.phase === 'training') fixContributors(turn);
  else keepMembers(turn, ({ averaged }) => averaged !== null, 'it did not average in time');
}

/** A member is out of the round: it died, failed, or could not be reached. Its ranges go back to the queue. */
export function dropMember(turn: Turn, incarnation: Incarnation, reason: string): void {
  keepMembers(turn, (member) => member.incarnation !== incarnation, reason);
}

/** Gives the whole round up; the committed state stays as it is. */
export function abandonTraining(turn: Turn, reason: string): void {
  const round = currentRound(turn);
  if (round === null) return;
  const { dropped, ranges } = withoutMembers(round, () => false);
  release(turn, round, { dropped, ranges, reason });
  setStage(turn, { round: null });
}

/** Fixes the contributor set: whoever has trained by now. */
function fixContributors(turn: Turn): void {
  const round = currentRound(turn);
  if (round === null) return;
  const { round: rest, dropped, ranges } = withoutMembers(round, ({ trained }) => trained !== null);
  release(turn, round, { dropped, ranges, reason: 'it did not train in time' });
  exchange(turn, rest);
}

function keepMembers(turn: Turn, keep: Parameters<typeof withoutMembers>[1], reason: string): void {
  const round = currentRound(turn);
  if (round === null) return;
  const { round: rest, dropped, ranges } = withoutMembers(round, keep);
  if (dropped.length === 0) return;
  release(turn, round, { dropped, ranges, reason });
  if (round.phase === 'averaging') exchange(turn, rest);
  else if (rest.members.length > 0 && rest.members.every(({ trained }) => trained !== null)) exchange(turn, rest);
  else setStage(turn, { round: rest.members.length === 0 ? null : rest });
}

function release(
  turn: Turn,
  round: TrainRound,
  out: { readonly dropped: readonly Incarnation[]; readonly ranges: TrainRound['members'][number]['ranges']; readonly reason: string },
): void {
  const { ledger, links } = stageOf(turn);
  const known = [...links].filter(([student]) => !out.dropped.includes(student));
  setStage(turn, { ledger: giveBack(ledger, out.ranges), links: new Map(known) });
  for (const incarnation of out.dropped) sendTo(turn, incarnation, { type: 'coordinator.abandon', round: round.id, reason: out.reason });
}

/** Starts the next exchange among the members that are left; without any, the round is over. */
function exchange(turn: Turn, round: TrainRound): void {
  if (round.members.length === 0) {
    setStage(turn, { round: null });
    countFailure(turn, 'transport.deadline', `round ${round.id} lost all its members`);
    return;
  }
  const next = nextAttempt(round, turn.nowMs + turn.state.plan.timing.averageMs);
  setStage(turn, { round: next });
  const contributors = next.members.map(({ incarnation, ranges }) => ({
    incarnation,
    endpoint: turn.state.roster.get(incarnation)?.engine?.endpoint ?? 'inproc://gone',
    samples: totalOf(ranges),
  }));
  for (const { incarnation } of contributors) {
    sendTo(turn, incarnation, { type: 'coordinator.average', round: next.id, attempt: next.attempt, contributors });
  }
}

function commit(turn: Turn, round: TrainRound): void {
  const stage = stageOf(turn);
  const agreed = agreedHash(round, committedOf(stage.ledger));
  if ('problem' in agreed) {
    finish(turn, { outcome: 'failed', code: 'protocol.invalid', message: agreed.problem });
    return;
  }
  const { hash } = agreed;
  const ledger = commitLent(stage.ledger);
  const committed = committedOf(ledger);
  const contributors = round.members.map(({ incarnation }) => incarnation);
  const totals = totalsOf(round);
  journal(turn, { type: 'commit', stage: stage.name, round: round.id, contributors, ranges: stage.ledger.lent, hash, committed });
  for (const incarnation of contributors) sendTo(turn, incarnation, { type: 'coordinator.commit', round: round.id, hash, committed });
  setStage(turn, {
    ledger,
    base: { round: round.id, hash, holders: contributors, checkpoint: null },
    round: null,
    commits: stage.commits + 1,
    commitsSinceCheckpoint: stage.commitsSinceCheckpoint + 1,
    msPerSample: totals.msPerSample,
    failures: 0,
  });
  const reached = [...turn.state.roster].map(
    ([key, member]) => [key, contributors.includes(key) ? { ...member, unreachable: 0 } : member] as const,
  );
  turn.state = { ...turn.state, commits: turn.state.commits + 1, roster: new Map(reached) };
  reportProgress(turn, round.id, totals);
}

function reportProgress(turn: Turn, round: number, totals: RoundTotals): void {
  const { name, ledger, recent } = stageOf(turn);
  const committed = committedOf(ledger);
  const imagesPerSecond = presentRate(recent, { atMs: turn.nowMs, committed }) ?? (1000 * totals.samples) / Math.max(totals.trainMs, 1);
  const fresh = recent.filter(({ atMs }) => atMs > turn.nowMs - RATE_WINDOW_MS);
  setStage(turn, { recent: [...fresh, { atMs: turn.nowMs, committed }] });
  report(turn, {
    type: 'progress',
    stage: name,
    round,
    epoch: Math.min(Math.floor(committed / ledger.size) + 1, ledger.epochs),
    epochs: ledger.epochs,
    committed,
    samples: samplesOf(ledger),
    loss: totals.lossSum / totals.samples,
    trainAccuracy: totals.correct / totals.samples,
    imagesPerSecond,
    secondsLeft: (samplesOf(ledger) - committed) / imagesPerSecond,
  });
}

/** Images per second since the oldest of the recent commits; null before there are two. */
function presentRate(recent: StageState['recent'], now: { readonly atMs: number; readonly committed: number }): number | null {
  const oldest = recent[0];
  return oldest === undefined || now.atMs <= oldest.atMs ? null : (1000 * (now.committed - oldest.committed)) / (now.atMs - oldest.atMs);
}

/** The round of training under way, or null. */
export function currentRound(turn: Turn): TrainRound | null {
  const round = turn.state.stage?.round ?? null;
  return round?.kind === 'train' ? round : null;
}

function roundOf(turn: Turn, id: number): TrainRound | null {
  const round = currentRound(turn);
  return round?.id === id ? round : null;
}
