/**
 * Rounds of training, from the assignment to the commit. grid.ts has the data, src/protocol/README.md the messages of a
 * round.
 *
 * Invariants: between two commits the committed state does not change, except that the students of a round of one column no
 * longer count as its holders once they are withdrawn. A range leaves the round only by a commit or back to the queue.
 */

import { assertNever, present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { type Batch, columnBatch, columnsMaxOf, imagesPerStep } from '../../src/config/batch.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { Contributor, WorkerMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import { addressOf, assign, otherCells, otherReplicas } from './assignment.js';
import { type ReasonFor, reasonsBy, unreachable } from './charge.js';
import { commit } from './commit.js';
import { countFailure, stopSafely } from './ending.js';
import {
  agreedHashes,
  type Column,
  cellsOf,
  columnOf,
  columnsOf,
  cutToTrained,
  type Grid,
  hasCell,
  isAveraged,
  isTrained,
  peersOf,
  planGrid,
  rangesOf,
  rowOf,
  type Seats,
  seatStudents,
  voidAverages,
  withAveraged,
  withoutColumns,
  withTrained,
} from './grid.js';
import { commitLent, committedOf, giveBack, type Ledger, lend } from './ledger.js';
import type { ReadyMember } from './roster.js';
import type { GridRound } from './round.js';
import { conclusionBudgetMs, newCells, roundBudgetMs } from './round-budget.js';
import type { Charge, RoundSort } from './round-sort.js';
import { isLost, type StageState, withoutHolders } from './stage.js';
import { log, report, sendTo, setStage, stageOf, type Turn, takeRoundId } from './turn.js';

/** The students of a stage in the cells of a grid. */
export function seatsOf({ needs, base }: Pick<StageState, 'needs' | 'base'>, students: readonly ReadyMember[], columnsMax: number): Seats {
  return seatStudents({ peers: needs.peers, students, columnsMax, holdersOf: (peer) => base.peers.get(peer)?.holders ?? [] });
}

export interface TrainingRoundOptions {
  readonly batch: Batch;
  readonly every: number;
  readonly columnsMax: number;
  /** Whether a loss is over the batch of all columns. */
  readonly gathers: boolean;
  /** Whether parameters with the samples of this ledger are to be tested. */
  isTested(ledger: Ledger): boolean;
}

/**
 * Lends the next positions to these students and sends each its column's ranges. A round has `every` steps. Students that would have
 * no sample in a whole step are spare.
 */
export function startTraining(
  turn: Turn,
  students: readonly ReadyMember[],
  { batch, every, columnsMax, gathers, isTested }: TrainingRoundOptions,
): void {
  const stage = stageOf(turn);
  const { peers } = stage.needs;
  const usable = Math.min(columnsMax, columnsMaxOf(batch));
  const { seated } = seatsOf(stage, students, usable);
  const columns = columnsOf(peers, seated);
  const perStep = imagesPerStep(batch, columns.length);
  const { ledger, ranges } = lend(stage.ledger, perStep * every);
  const grid = planGrid(ranges, columns, perStep);
  const roundSamples = totalOf(ranges);
  const id = takeRoundId(turn);
  const measures = isTested(commitLent(ledger));
  const isAlone = grid.length === 1;
  const isWhole = gathers && !isAlone;
  const deadlineMs = turn.nowMs + roundBudgetMs(turn, grid, isWhole);
  const stepSamples = columnBatch(batch, { column: 0, columns: columns.length });
  setStage(turn, {
    ledger,
    round: { sort: 'grid', id, phase: 'training', attempt: 0, grid, isAlone, isWhole, concluding: null, stepSamples, deadlineMs },
  });
  tellSeats(turn, grid);
  tellSpare(turn, students, { seats: seated.length, seatsMax: peers.length * usable });
  for (const [column, { ranges: own, cells }] of grid.entries()) {
    for (const { incarnation, peer } of cells) {
      const others = otherCells(turn, cells, peer);
      const work = {
        kind: 'train' as const,
        column,
        replicas: grid.length,
        ranges: [...own],
        roundSamples,
        others,
        row: isWhole ? otherReplicas(turn, grid, { incarnation, peer }) : [],
        measures: measures && column === 0,
      };
      assign(turn, incarnation, { round: id, subject: { stage: stage.name, peer }, work });
    }
  }
}

/** Reports which student trains which peer, where there are several, and only what differs from the round before. */
function tellSeats(turn: Turn, grid: Grid): void {
  if (peersOf(grid).length < 2) return;
  const { name: stage, seats } = stageOf(turn);
  const next = new Map<string, { readonly peer: string; readonly column: number }>();
  for (const [index, { cells }] of grid.entries()) {
    for (const { incarnation, peer } of cells) {
      const { worker } = present(turn.state.roster.get(incarnation), 'the student of a cell');
      const seat = { peer, column: index + 1 };
      const before = seats.get(worker);
      next.set(worker, seat);
      if (before?.peer === seat.peer && before.column === seat.column) continue;
      log(turn, ['info', 'worker.seated'], { worker, incarnation, stage, ...seat });
      report(turn, { type: 'worker-seated', worker, incarnation, stage, ...seat });
    }
  }
  setStage(turn, { seats: next });
}

/** Reports which students have no part in the stage, and only those that had one, or were not there, the round before. */
function tellSpare(
  turn: Turn,
  students: readonly ReadyMember[],
  { seats, seatsMax }: { readonly seats: number; readonly seatsMax: number },
): void {
  const { name: stage, round, spare, needs } = stageOf(turn);
  const places = { seats, peers: needs.peers.length, isFull: seats === seatsMax };
  const taken = round?.sort === 'grid' ? cellsOf(round.grid).map(({ incarnation }) => incarnation) : [];
  // At the end of a stage there may be less work than students.
  if (taken.length < seats) return;
  const next = students.filter(({ incarnation }) => !taken.includes(incarnation)).map(({ worker }) => worker);
  for (const worker of next) {
    if (spare.has(worker)) continue;
    log(turn, ['info', 'worker.spare'], { worker, stage, ...places });
    report(turn, { type: 'worker-spare', worker, stage, ...places });
  }
  setStage(turn, { spare: new Set(next) });
}

/** How a round of training is led. */
export const GRID_ROUND: RoundSort<GridRound> = {
  members: ({ grid }) => cellsOf(grid).map(({ incarnation }) => incarnation),

  onReport(turn, round, { message }) {
    switch (message.type) {
      case 'worker.trained':
        return onTrained(turn, round, message);
      case 'worker.averaged':
        onAveraged(turn, round, message);
        return null;
      case 'worker.unreachable':
        return chargeOf(turn, round, message);
      case 'worker.evaluated':
      case 'worker.notFinite':
        return null;
      default:
        return assertNever(message, 'report');
    }
  },

  withdraw(turn, round, leaver) {
    const reasonFor = reasonsBy(leaver, { stage: stageOf(turn).name, seats: cellsOf(round.grid) });
    withdrawColumns(turn, round, { keep: (column) => !hasCell(column, leaver.member.incarnation), reasonFor });
  },

  withdrawAll(turn, round, reason) {
    release(turn, round, { ...withoutColumns(round.grid, () => false), reasonFor: () => reason });
    setStage(turn, { round: null });
  },

  conclude(turn, round, { member, reason }) {
    if (member !== null && columnOf(round.grid, member.incarnation) === null) return;
    if (round.isAlone) askToConclude(turn, round, 'wanted');
    else if (member === null) GRID_ROUND.withdrawAll(turn, round, reason);
    else GRID_ROUND.withdraw(turn, round, { member, reason });
  },

  onDeadline(turn, round) {
    log(turn, ['warn', 'round.deadline'], { round: round.id, phase: round.phase, attempt: round.attempt });
    if (round.isWhole) return onWholeLate(turn, round);
    if (round.phase === 'averaging') withdrawColumns(turn, round, { keep: isAveraged, reasonFor: lateness(round, 'averaged') });
    else if (round.isAlone && round.concluding === null) askToConclude(turn, round, 'late');
    else fixContributors(turn, round);
    return [];
  },
};

/** Enters a cell's report of training; the last one fixes the contributor set. */
function onTrained(turn: Turn, round: GridRound, message: WorkerMessageOf<'worker.trained'>): Charge | null {
  const { incarnation } = message;
  const column = columnOf(round.grid, incarnation);
  if (column === null || round.phase !== 'training') return null;
  if (column.cells.some((cell) => cell.incarnation === incarnation && cell.trained !== null)) return null;
  const reason = untruthOf(round, column, message);
  if (reason !== null) return { type: 'untrue', incarnation, reason };
  if (round.concluding !== null && column.cells.some(({ trained }) => trained !== null && trained.samples !== message.samples)) {
    // Cells end with the same step (worker/student/cell-exchange.ts): one of them is at fault, and it is not known which.
    log(turn, ['error', 'round.cellsApart'], { round: round.id, incarnation, samples: message.samples });
    const reasonFor = () => 'the cells of its column stopped at different steps';
    withdrawColumns(turn, round, { keep: (other) => other !== column, reasonFor });
    return null;
  }
  const next = { ...round, grid: withTrained(round.grid, message) };
  setStage(turn, { round: next });
  if (next.grid.every(isTrained)) fixContributors(turn, next);
  return null;
}

/** Says in words why a report of training cannot be true; null when it can. */
function untruthOf({ concluding }: GridRound, { ranges }: Column, message: WorkerMessageOf<'worker.trained'>): string | null {
  const { samples, correct, sameAsTeacher } = message;
  const lent = totalOf(ranges);
  const isPossible = concluding === null ? samples === lent : samples <= lent;
  return isPossible && correct <= samples && (sameAsTeacher ?? 0) <= samples
    ? null
    : `it says it trained ${samples} samples, ${correct} of them right, of ${lent}`;
}

/** Enters a contributor's report of averaging; the last one commits the round, when all replicas of a row have the same bits. */
function onAveraged(turn: Turn, round: GridRound, message: WorkerMessageOf<'worker.averaged'>): void {
  if (round.phase !== 'averaging' || message.attempt !== round.attempt) return;
  const next = { ...round, grid: withAveraged(round.grid, message) };
  setStage(turn, { round: next });
  if (!next.grid.every(isAveraged)) return;
  const agreed = agreedHashes(next.grid, committedOf(stageOf(turn).ledger) + totalOf(rangesOf(next.grid)));
  if ('problem' in agreed) {
    stopSafely(turn, { reason: `round ${round.id}: ${agreed.problem}`, failure: 'protocol.invalid' });
    return;
  }
  commit(turn, { round: round.id, grid: next.grid, hashes: agreed.hashes });
}

/** The charge against a student that another one cannot reach; null for a report of an older attempt. */
function chargeOf(turn: Turn, round: GridRound, message: WorkerMessageOf<'worker.unreachable'>): Charge | null {
  // While a round is training, its attempt is 0.
  if (round.attempt !== message.attempt || columnOf(round.grid, message.replica) === null) return null;
  return unreachable(turn, round, message);
}

/** The students of the only column begin no further step, and report what they have. */
function askToConclude(turn: Turn, round: GridRound, concluding: 'late' | 'wanted'): void {
  if (round.concluding !== null) return;
  const deadlineMs = turn.nowMs + conclusionBudgetMs(turn, round);
  setStage(turn, { round: { ...round, concluding, deadlineMs } });
  for (const { incarnation } of cellsOf(round.grid)) sendTo(turn, incarnation, { type: 'coordinator.conclude', round: round.id });
}

/** Fixes the contributor set: whoever has trained by now, with what they have trained. */
function fixContributors(turn: Turn, round: GridRound): void {
  const { grid, withdrawn, ranges } = withoutColumns(round.grid, isTrained);
  release(turn, round, { withdrawn, ranges, reasonFor: lateness(round, 'trained') });
  const cut = cutToTrained(grid);
  setStage(turn, { ledger: giveBack(stageOf(turn).ledger, cut.ranges) });
  if (grid.length === 0 || cut.grid.length > 0) settle(turn, { ...round, grid: cut.grid });
  else {
    setStage(turn, { round: null });
    // That nothing was trained is no failure where somebody wanted the end; without a count a late round would begin for ever.
    if (round.concluding === 'late') countFailure(turn, 'transport.deadline', `round ${round.id} trained nothing before its deadline`);
  }
}

/**
 * Not all columns of a round that needs all of them are done in time: it is over, and its positions are lent again. Returns the charges
 * against new cells, for whose first step cells that have made steps before may have waited.
 */
function onWholeLate(turn: Turn, round: GridRound): readonly Charge[] {
  const { name } = stageOf(turn);
  const late = cellsOf(round.grid).filter(({ trained }) => trained === null);
  const fresh = newCells(stageOf(turn), round.grid);
  const charged = fresh.length === cellsOf(round.grid).length ? [] : late.filter(({ incarnation }) => fresh.includes(incarnation));
  const [report, isDone, deed] =
    round.phase === 'averaging' ? (['averaged', isAveraged, 'averaged'] as const) : (['trained', isTrained, 'made its step'] as const);
  withdrawColumns(turn, round, { keep: isDone, reasonFor: lateness(round, report) });
  countFailure(
    turn,
    'transport.deadline',
    `round ${round.id}, whose students gather their batch, is over: not each of them has ${deed} in time`,
  );
  const reason = `its first step of stage ${name} has not come within ${turn.state.plan.timing.firstRoundMs / 1000} s`;
  return charged.map(({ incarnation }) => ({ type: 'late', incarnation, reason }));
}

function withdrawColumns(
  turn: Turn,
  round: GridRound,
  { keep, reasonFor }: { readonly keep: (column: Column) => boolean; readonly reasonFor: ReasonFor },
): void {
  const isTorn = round.isWhole && !round.grid.every(keep);
  const { grid, withdrawn, ranges } = withoutColumns(round.grid, isTorn ? () => false : keep);
  if (withdrawn.length === 0) return;
  release(turn, round, { withdrawn, ranges, reasonFor });
  const rest = { ...round, grid };
  if (isTorn) setStage(turn, { round: null });
  else if (round.phase === 'averaging') settle(turn, rest);
  else if (grid.length > 0 && grid.every(isTrained)) fixContributors(turn, rest);
  else setStage(turn, { round: grid.length === 0 ? null : rest });
}

/** Takes back the ranges and links of withdrawn columns. Students of an only column no longer hold the base. */
function release(
  turn: Turn,
  round: GridRound,
  out: { readonly withdrawn: readonly Incarnation[]; readonly ranges: readonly Range[]; readonly reasonFor: ReasonFor },
): void {
  const { ledger, links, base } = stageOf(turn);
  const known = [...links].filter(([student]) => !out.withdrawn.includes(student));
  setStage(turn, {
    ledger: giveBack(ledger, out.ranges),
    links: new Map(known),
    base: round.isAlone ? withoutHolders(base, out.withdrawn) : base,
  });
  for (const incarnation of out.withdrawn) {
    sendTo(turn, incarnation, { type: 'coordinator.abandon', round: round.id, reason: out.reasonFor(incarnation) });
  }
}

/**
 * The reasons where cells have not reported by the deadline: those that have hear that another cell has not. Where no cell can make a step
 * without the others, one that has not made it may wait for another: nobody knows who is late.
 */
function lateness({ grid, isWhole }: GridRound, report: 'trained' | 'averaged'): ReasonFor {
  const late = cellsOf(grid).filter((cell) => cell[report] === null);
  const deed = report === 'trained' ? 'train' : 'average';
  const other = `a cell of its ${isWhole ? 'row' : 'column'} did not ${deed} in time`;
  const own = isWhole && report === 'trained' ? 'not every cell of its row made its step in time' : `it did not ${deed} in time`;
  return (incarnation) => (late.some((cell) => cell.incarnation === incarnation) ? own : other);
}

/** The contributors are fixed: one column is committed as it is, and several average first; without any, the round is over. */
function settle(turn: Turn, round: GridRound): void {
  const { id, grid } = round;
  if (grid.length === 0) {
    setStage(turn, { round: null });
    // Where the parameters went with the members, the rollback that follows counts the failure.
    if (!isLost(stageOf(turn).base)) countFailure(turn, 'transport.deadline', `round ${id} lost all its members`);
  } else if (grid.length === 1) {
    commit(turn, { round: id, grid, hashes: new Map(peersOf(grid).map((peer) => [peer, null])) });
  } else average(turn, round);
}

/** Starts the next attempt; the averages of the one before are void. Each row averages for itself. */
function average(turn: Turn, round: GridRound): void {
  const attempt = round.attempt + 1;
  const grid = voidAverages(round.grid);
  const deadlineMs = turn.nowMs + turn.state.plan.timing.averageMs;
  setStage(turn, { round: { ...round, phase: 'averaging', attempt, grid, deadlineMs } });
  for (const peer of peersOf(grid)) {
    const contributors = contributorsOf(turn, grid, peer);
    const state = { stage: stageOf(turn).name, peer, round: round.id };
    for (const { incarnation } of contributors) sendTo(turn, incarnation, { type: 'coordinator.average', state, attempt, contributors });
  }
}

function contributorsOf(turn: Turn, grid: Grid, peer: string): Contributor[] {
  return rowOf(grid, peer).map(({ incarnation }) => ({
    ...addressOf(turn, incarnation),
    samples: totalOf(columnOf(grid, incarnation)?.ranges ?? []),
  }));
}
