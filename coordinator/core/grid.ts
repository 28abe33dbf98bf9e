/**
 * The students of a round of training as cells, peers x columns. A column shares samples: each of its cells trains another
 * peer of the stage on the column's ranges. A row is the cells of one peer: replicas, which average. Pure data and questions
 * about it; training-round.ts makes the decisions.
 *
 * Invariants: every column has one cell for each peer, in the same order; a range belongs to one column; an incarnation has
 * one cell; a lost cell takes its column out of the grid.
 */

import { assert, present } from '../../src/base/assert.js';
import type { Incarnation } from '../../src/base/ids.js';
import { shareSteps } from '../../src/config/batch.js';
import { splitRanges, takeRanges, totalOf } from '../../src/data/shard-plan.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';

type Trained = WorkerMessageOf<'worker.trained'>;
type Averaged = WorkerMessageOf<'worker.averaged'>;

/** A student, and the peer whose parameters it works on. */
export interface Seat {
  readonly peer: string;
  readonly incarnation: Incarnation;
}

/** One student's part in the round. */
export interface Cell extends Seat {
  readonly trained: Trained | null;
  /** The report of averaging in the attempt under way. */
  readonly averaged: Averaged | null;
}

export interface Column {
  readonly ranges: readonly Range[];
  readonly cells: readonly Cell[];
}

/** The columns, in rank order. */
export type Grid = readonly Column[];

/**
 * Plans a round of these columns: of each step of `perStep` samples every column has as even a share as whole numbers allow. Columns that
 * would have no sample in the whole round are left out; they are the last ones.
 */
export function planGrid(ranges: readonly Range[], columns: readonly (readonly Seat[])[], perStep: number): Grid {
  const shares = splitRanges(ranges, shareSteps(totalOf(ranges), perStep, columns.length));
  return columns.flatMap((seats, column) => {
    const share = shares[column] ?? [];
    return share.length === 0 ? [] : [{ ranges: share, cells: seats.map((seat): Cell => ({ ...seat, trained: null, averaged: null })) }];
  });
}

/** The students as full columns, one seat for each peer. Students of one column follow each other in the list; those that fill none are left out. */
export function columnsOf(peers: readonly string[], students: readonly Incarnation[]): readonly (readonly Seat[])[] {
  return Array.from({ length: Math.floor(students.length / peers.length) }, (_, column) =>
    peers.map((peer, row) => ({ peer, incarnation: present(students[column * peers.length + row], 'a student for each cell') })),
  );
}

/** A student that may take a cell. */
export interface FreeStudent {
  readonly incarnation: Incarnation;
  readonly host: string;
  /** Its engine: replicas of a peer are alike when they have the same one. */
  readonly engine: { readonly name: string };
  /** The peer that it was started for; null, or a name that no peer of the stage has, for any. */
  readonly peer: string | null;
}

export interface Seating {
  readonly peers: readonly string[];
  /** The ready students, in the order in which they are seated. */
  readonly students: readonly FreeStudent[];
  readonly columnsMax: number;
  /** The students that hold the committed parameters of a peer. */
  holdersOf(peer: string): readonly Incarnation[];
}

export interface Seats {
  /** The students that take part, column by column, as `planGrid` takes them. */
  readonly seated: readonly Incarnation[];
  /** The peers that nobody can train now, so that there is no column; otherwise empty. */
  readonly empty: readonly string[];
}

/**
 * Seats the students in as many full columns as there are students for, at most `columnsMax`. A student that was started for a peer
 * trains that one; the others stay with the peer that they hold, where it has a place for them; the cells of a column share a
 * host where they can, and then those of a row an engine. The students that are left are spare.
 */
export function seatStudents(seating: Seating): Seats {
  const { peers, students, columnsMax } = seating;
  for (let columns = Math.min(columnsMax, Math.floor(students.length / peers.length)); columns > 0; columns--) {
    const { own, free } = rowsOf(seating, columns);
    const lacking = own.reduce((sum, row) => sum + columns - row.length, 0);
    if (lacking > free.length) continue;
    const engines: (string | null)[] = peers.map(() => null);
    return { seated: Array.from({ length: columns }, () => takeColumn(own, free, engines)).flat(), empty: [] };
  }
  const { own, free } = rowsOf(seating, 1);
  return { seated: [], empty: peers.filter((_, row) => own[row]?.length === 0).slice(free.length) };
}

/** For each peer, up to so many students that can train no other or hold this one; and the students that can train any. */
function rowsOf(
  { peers, students, holdersOf }: Seating,
  columns: number,
): { readonly own: readonly FreeStudent[][]; readonly free: FreeStudent[] } {
  const bound = (student: FreeStudent): boolean => student.peer !== null && peers.includes(student.peer);
  const own = peers.map((peer) => {
    const holds = ({ incarnation }: FreeStudent): boolean => holdersOf(peer).includes(incarnation);
    const startedForIt = students.filter((student) => student.peer === peer);
    const holders = students.filter((student) => !bound(student) && holds(student));
    return [...startedForIt.filter(holds), ...startedForIt.filter((student) => !holds(student)), ...holders].slice(0, columns);
  });
  const taken = new Set(own.flat());
  return { own, free: students.filter((student) => !bound(student) && !taken.has(student)) };
}

/** Takes a student for each row, on the host that has the most of them left. `engines`: those of the rows so far, which it completes. */
function takeColumn(own: readonly FreeStudent[][], free: FreeStudent[], engines: (string | null)[]): Incarnation[] {
  const host = fullestHost([...own.flat(), ...free]);
  return own.map((row, index) => {
    const student = takeNear(row.length > 0 ? row : free, { host, engine: engines[index] ?? null });
    engines[index] ??= student.engine.name;
    return student.incarnation;
  });
}

/** The host of most of these students; of several, that of the first one. */
function fullestHost(students: readonly FreeStudent[]): string | null {
  const counts = new Map<string, number>();
  for (const { host } of students) counts.set(host, (counts.get(host) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  return [...counts].find(([, count]) => count === most)?.[0] ?? null;
}

/** Takes the first of the students that fit best out of the list: the host counts more than the engine. */
function takeNear(list: FreeStudent[], near: { readonly host: string | null; readonly engine: string | null }): FreeStudent {
  const fits = list.map(({ host, engine }) => (host === near.host ? 2 : 0) + (engine.name === near.engine ? 1 : 0));
  const best = fits.indexOf(Math.max(...fits));
  return present(list.splice(best, 1)[0], 'a student for each cell');
}

/** Whole numbers that add up to `total` and differ by at most one. */
export function evenly(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor((total * (index + 1)) / parts) - Math.floor((total * index) / parts));
}

/** All cells, column by column. */
export function cellsOf(grid: Grid): readonly Cell[] {
  return grid.flatMap(({ cells }) => cells);
}

/** The peers of the grid, in the order of the rows; empty for an empty grid. */
export function peersOf(grid: Grid): readonly string[] {
  return grid[0]?.cells.map(({ peer }) => peer) ?? [];
}

/** The cells of a peer, in rank order: the replicas that average. */
export function rowOf(grid: Grid, peer: string): readonly Cell[] {
  return cellsOf(grid).filter((cell) => cell.peer === peer);
}

/** The column of an incarnation, or null when it has no cell. */
export function columnOf(grid: Grid, incarnation: Incarnation): Column | null {
  return grid.find((column) => hasCell(column, incarnation)) ?? null;
}

/** Whether one of the column's cells is this incarnation. */
export function hasCell({ cells }: Column, incarnation: Incarnation): boolean {
  return cells.some((cell) => cell.incarnation === incarnation);
}

/** All positions that the grid trains. */
export function rangesOf(grid: Grid): readonly Range[] {
  return grid.flatMap(({ ranges }) => ranges);
}

/** The grid with a report of training entered; the same grid when its sender has no cell. */
export function withTrained(grid: Grid, message: Trained): Grid {
  return withCell(grid, message.incarnation, { trained: message });
}

/** The grid with a report of averaging entered; the same grid when its sender has no cell. */
export function withAveraged(grid: Grid, message: Averaged): Grid {
  return withCell(grid, message.incarnation, { averaged: message });
}

function withCell(grid: Grid, incarnation: Incarnation, change: Partial<Cell>): Grid {
  if (columnOf(grid, incarnation) === null) return grid;
  return grid.map((column) => ({
    ...column,
    cells: column.cells.map((cell) => (cell.incarnation === incarnation ? { ...cell, ...change } : cell)),
  }));
}

/** Whether every cell of the column has trained. */
export function isTrained({ cells }: Column): boolean {
  return cells.every(({ trained }) => trained !== null);
}

/** Whether every cell of the column holds the average of the attempt under way. */
export function isAveraged({ cells }: Column): boolean {
  return cells.every(({ averaged }) => averaged !== null);
}

/** The grid without the columns that `keep` refuses; also the incarnations and ranges of the refused columns. */
export function withoutColumns(
  grid: Grid,
  keep: (column: Column) => boolean,
): { readonly grid: Grid; readonly withdrawn: readonly Incarnation[]; readonly ranges: readonly Range[] } {
  const out = grid.filter((column) => !keep(column));
  return { grid: grid.filter(keep), withdrawn: cellsOf(out).map(({ incarnation }) => incarnation), ranges: rangesOf(out) };
}

/** The grid without the averages of the attempt under way, which are void. The trained states stay. */
export function voidAverages(grid: Grid): Grid {
  return grid.map((column) => ({ ...column, cells: column.cells.map((cell) => ({ ...cell, averaged: null })) }));
}

/**
 * The samples that the column has trained: all of its ranges, or after a conclusion a part from their front, in which its
 * cells agree.
 */
export function trainedSamples({ cells }: Column): number {
  const counts = cells.map(({ trained }) => present(trained, 'a column that has trained').samples);
  const samples = present(counts[0], 'a cell');
  assert(
    counts.every((count) => count === samples),
    `cells of one column trained ${counts.join(' and ')} samples`,
  );
  return samples;
}

/** The grid with each column cut to the samples that it has trained, and the ranges that were cut off. Columns without samples are left out. */
export function cutToTrained(grid: Grid): { readonly grid: Grid; readonly ranges: readonly Range[] } {
  const cuts = grid.map((column) => ({ column, ...takeRanges(column.ranges, trainedSamples(column)) }));
  return {
    grid: cuts.filter(({ taken }) => taken.length > 0).map(({ column, taken }) => ({ ...column, ranges: taken })),
    ranges: cuts.flatMap(({ rest }) => rest),
  };
}

export interface GridTotals {
  /** The number of samples of the columns. A sample that several peers trained counts once. */
  readonly samples: number;
  /** The loss summed over the samples; the mean over the peers. */
  readonly lossSum: number;
  /** By peer, the mean loss of a sample; empty for one peer. */
  readonly losses: Readonly<Record<string, number>>;
  /** The number of samples that were classified right in training (augmented, while the parameters changed); the mean over the peers. */
  readonly correct: number;
  /** The milliseconds until the slowest cell had trained. */
  readonly trainMs: number;
  /** The slowest cell's milliseconds per sample. */
  readonly msPerSample: number;
  /** By peer; empty for one peer. */
  readonly lockstep: Readonly<Record<string, Lockstep>>;
}

/** The cost of lockstep to the cells of one peer, summed over them. */
export interface Lockstep {
  readonly trainMs: number;
  /** The part of `trainMs` in which they waited for the other cells of their columns. */
  readonly waitedMs: number;
  /** The number of their predictions that came too late for another cell of the column. */
  readonly late: number;
}

/** The times of two rounds together. */
export function addLockstep(a: Readonly<Record<string, Lockstep>>, b: Readonly<Record<string, Lockstep>>): Record<string, Lockstep> {
  const sums = Object.entries(b).map(([peer, { trainMs, waitedMs, late }]): [string, Lockstep] => {
    const before = a[peer] ?? { trainMs: 0, waitedMs: 0, late: 0 };
    return [peer, { trainMs: before.trainMs + trainMs, waitedMs: before.waitedMs + waitedMs, late: before.late + late }];
  });
  return { ...a, ...Object.fromEntries(sums) };
}

/** By peer, the share of the training time in which it waited. */
export function sharesWaited(lockstep: Readonly<Record<string, Lockstep>>): Record<string, number> {
  return Object.fromEntries(Object.entries(lockstep).map(([peer, { trainMs, waitedMs }]) => [peer, waitedMs / Math.max(1, trainMs)]));
}

/** By peer, the number of its predictions that came too late; only peers with such predictions. */
export function timesLate(lockstep: Readonly<Record<string, Lockstep>>): Record<string, number> {
  return Object.fromEntries(Object.entries(lockstep).flatMap(([peer, { late }]) => (late === 0 ? [] : [[peer, late]])));
}

/** The totals of a grid whose cells have all trained. Asserts that they have. */
export function totalsOf(grid: Grid): GridTotals {
  const reports = cellsOf(grid).map(({ trained }) => present(trained, 'a contributor that has not trained'));
  const names = peersOf(grid);
  const peers = names.length;
  const samples = totalOf(rangesOf(grid));
  return {
    samples,
    losses: peers < 2 ? {} : Object.fromEntries(names.map((peer) => [peer, sumOf(grid, peer, ({ lossSum }) => lossSum) / samples])),
    lossSum: reports.reduce((sum, { lossSum }) => sum + lossSum, 0) / peers,
    correct: reports.reduce((sum, { correct }) => sum + correct, 0) / peers,
    trainMs: Math.max(...reports.map(({ trainMs }) => trainMs)),
    msPerSample: Math.max(...reports.map(({ trainMs, samples }) => trainMs / samples)),
    lockstep: peers < 2 ? {} : Object.fromEntries(names.map((peer) => [peer, lockstepOf(grid, peer)])),
  };
}

function lockstepOf(grid: Grid, peer: string): Lockstep {
  return {
    trainMs: sumOf(grid, peer, ({ trainMs }) => trainMs),
    waitedMs: sumOf(grid, peer, ({ waitedMs }) => waitedMs),
    late: sumOfCells(cellsOf(grid), ({ late }) => late[peer] ?? 0),
  };
}

/** The sum over the cells of a peer. */
function sumOf(grid: Grid, peer: string, of: (trained: Trained) => number): number {
  return sumOfCells(rowOf(grid, peer), of);
}

function sumOfCells(cells: readonly Cell[], of: (trained: Trained) => number): number {
  return cells.reduce((total, { trained }) => total + (trained === null ? 0 : of(trained)), 0);
}

/**
 * The hash of each peer, on which all replicas of its row agree: the sum is in rank order, so the bits must be the same, and
 * contain `contained` samples. Otherwise the problem, in words.
 */
export function agreedHashes(
  grid: Grid,
  contained: number,
): { readonly hashes: ReadonlyMap<string, string> } | { readonly problem: string } {
  const hashes = new Map<string, string>();
  for (const peer of peersOf(grid)) {
    const reports = rowOf(grid, peer).map(({ averaged }) => present(averaged, 'a contributor that has not averaged'));
    const { hash } = present(reports[0], 'a contributor');
    for (const { incarnation, ...report } of reports) {
      if (report.hash !== hash) return { problem: `incarnation ${incarnation} averaged to other bits than its replicas` };
      if (report.contained === contained) continue;
      return { problem: `the average of incarnation ${incarnation} contains ${report.contained} samples, not ${contained}` };
    }
    hashes.set(peer, hash);
  }
  return { hashes };
}
