/**
 * Courses of a mutual stage over the wire, beside the same stage in one process (test/support/cohort.ts): after each round every peer must have
 * the same parameters and the same optimiser slots, to the bit. The test is the coordinator.
 */

import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { EngineRecipe } from '../../../src/config/schema.js';
import { totalOf } from '../../../src/data/shard-plan.js';
import type { Base, ColumnCell, Work } from '../../../src/protocol/control.js';
import type { Range } from '../../../src/protocol/field.js';
import type { StateName } from '../../../src/protocol/state-name.js';
import { hashState, type StateTensors } from '../../../src/tensor/state-tensors.js';
import { averageCohorts, Cohort } from '../../support/cohort.js';
import type { EngineRoom, TestEngine } from './engine-room.js';

const MOMENTUM = { name: 'sgd', rate: 0.05, momentum: 0.9 };
export const TRAINING = { on: 'train', test: 'test', epochs: 2, batch: 8, every: 2, optimizer: { name: 'adam', rate: 0.01 } };

/** The models of the stages below that the room does not have. */
export const COURSE_MODELS = { normed: { module: fileURLToPath(new URL('../../support/norm-model.mjs', import.meta.url)) } };

/** The stages that every engine is tested with. */
export const COURSE_STAGES = {
  pair: {
    kind: 'mutual',
    ...TRAINING,
    augment: { cropPadding: 1, flip: true },
    peers: { big: { model: 'large' }, small: { model: 'small', optimizer: MOMENTUM } },
    loss: { temperature: 2, weight: { schedule: 'linear', from: 0, to: 1, epochs: 1 } },
  },
  three: {
    kind: 'mutual',
    ...TRAINING,
    model: 'small',
    peers: { a: { optimizer: MOMENTUM }, b: {}, c: { model: 'large' } },
    loss: { labelSmoothing: 0.1 },
  },
  /** One of the models has BatchNorms. */
  normed: {
    kind: 'mutual',
    ...TRAINING,
    augment: { cropPadding: 1, flip: true },
    peers: { norm: { model: 'normed', optimizer: MOMENTUM }, small: { model: 'small' } },
    loss: { temperature: 2 },
  },
  /** With so small a momentum the slot is the gradient of the last step, to the bit. */
  gradient: {
    kind: 'mutual',
    ...TRAINING,
    model: 'small',
    peers: { a: {}, b: {}, c: { model: 'large' } },
    optimizer: { ...MOMENTUM, momentum: 1e-30 },
  },
};

/** The ends of rounds of one step each: an epoch ends within them. */
export const STEP_BY_STEP: readonly number[] = [8, 16, 24, 32, 40, 48, 56, 64];

export const stateAt = (stage: string, peer: string, round: number): StateName => ({ stage, peer, round });
export const baseAt = (state: StateName, committed: number): Base => ({
  state,
  hash: null,
  committed,
  sources: [],
  isStored: false,
  init: null,
});

export interface CellEngine {
  readonly peer: string;
  readonly engine: TestEngine;
}

/** The engines of one column, one for each peer; their incarnations count from `first`. */
export async function columnOf(room: EngineRoom, peers: readonly string[], first: number): Promise<readonly CellEngine[]> {
  return Promise.all(peers.map(async (peer, i) => ({ peer, engine: await room.engine('student', first + i) })));
}

/** The cells of the column without this one. */
export function othersOf(column: readonly CellEngine[], own: CellEngine): readonly ColumnCell[] {
  const others = column.filter((cell) => cell !== own);
  return others.map(({ peer, engine }) => ({ peer, incarnation: engine.incarnation, endpoint: engine.endpoint }));
}

export interface RoundOrder {
  readonly stage: string;
  readonly round: number;
  readonly start: number;
  readonly end: number;
  readonly committed: number;
  readonly total?: number;
  readonly replicas?: number;
}

/** Orders every cell of the column to train its part of a round. */
export function assignColumn(column: readonly CellEngine[], { stage, round, start, end, committed, ...rest }: RoundOrder): void {
  for (const cell of column) {
    const base = baseAt(stateAt(stage, cell.peer, committed === 0 ? 0 : round - 1), committed);
    cell.engine.train(round, start, end, { base, others: othersOf(column, cell), ...rest });
  }
}

/** The committed state of a cell, as a checkpoint has it. */
export async function tensorsOf(room: EngineRoom, { peer, engine }: CellEngine, state: Omit<StateName, 'peer'>): Promise<StateTensors> {
  engine.order({ type: 'coordinator.save', state: { ...state, peer } });
  return (await room.stored({ ...state, peer })).tensors;
}

export interface Course {
  readonly stage: string;
  /** All peers of the stage. */
  readonly peers: readonly string[];
  /** The sample that each round ends with. */
  readonly ends: readonly number[];
  /** How the steps of the references run: each of them is compared. By default one, as the engine runs them. */
  readonly traces?: readonly EngineRecipe['trace'][];
  /** The model that teaches the peers too: its parameters, and the engine that serves it for this stage. */
  readonly teacher?: { readonly parameters: Float32Array; readonly engine: TestEngine };
}

/** One replica of each peer: after each round, in every cell, the state is that of each reference. */
export async function expectSameCourse(room: EngineRoom, { stage, peers, ends, traces = ['auto'], teacher }: Course): Promise<void> {
  const column = await columnOf(room, peers, 1);
  if (teacher !== undefined) {
    const { incarnation, endpoint } = teacher.engine;
    for (const { engine } of column) engine.order({ type: 'coordinator.link', stage, version: 1, teachers: [{ incarnation, endpoint }] });
  }
  const { recipe, engineName: engine } = room;
  const cohorts = await Promise.all(traces.map((trace) => Cohort.open(recipe, stage, { engine, trace, taughtBy: teacher?.parameters })));
  const rounds = ends.map((end, i) => ({ stage, round: i + 1, start: ends[i - 1] ?? 0, end, committed: ends[i - 1] ?? 0 }));
  for (const order of rounds) {
    const { round, start, end, committed } = order;
    assignColumn(column, order);
    for (const cohort of cohorts) cohort.train([{ start, end }], { committed });
    for (const cell of column) {
      expect((await cell.engine.next('worker.trained')).samples).toBe(end - start);
      cell.engine.commit(stateAt(stage, cell.peer, round), end);
      const tensors = await tensorsOf(room, cell, { stage, round });
      for (const cohort of cohorts) {
        expect(tensors.get('parameters'), `${cell.peer} after round ${round}`).toEqual(cohort.parametersOf(cell.peer));
        expect(tensors.get('slots'), `slots of ${cell.peer} after round ${round}`).toEqual(cohort.slotsOf(cell.peer));
      }
    }
  }
  for (const cohort of cohorts) cohort.dispose();
}

/** The ranges of each column in a round. */
type Shares = readonly (readonly Range[])[];

/**
 * Rounds of two columns. The first epoch of 60 samples ends within the second round; the samples of the first and the last round
 * are shared unequally, and in the third one a column has a range that was given back.
 */
const SHARED_ROUNDS: readonly Shares[] = [
  [[{ start: 0, end: 24 }], [{ start: 24, end: 40 }]],
  [[{ start: 40, end: 56 }], [{ start: 56, end: 72 }]],
  [
    [
      { start: 72, end: 80 },
      { start: 96, end: 104 },
    ],
    [{ start: 80, end: 96 }],
  ],
  [[{ start: 104, end: 116 }], [{ start: 116, end: 120 }]],
];

interface SharedRound {
  readonly stage: string;
  readonly round: number;
  readonly committed: number;
  readonly shares: Shares;
  /** The committed hash of each peer; null before the first round. */
  readonly hashes: ReadonlyMap<string, string> | null;
}

type Columns = readonly (readonly CellEngine[])[];

/** Orders every cell of the columns to train its part of a round, and waits until they have. */
async function trainColumns(columns: Columns, { stage, round, committed, shares, hashes }: SharedRound): Promise<void> {
  const roundSamples = totalOf(shares.flat());
  const cells = columns.flatMap((column, index) => column.map((cell) => ({ column, index, cell })));
  for (const { column, index, cell } of cells) {
    const state = stateAt(stage, cell.peer, hashes === null ? 0 : round - 1);
    const base = { ...baseAt(state, committed), hash: hashes?.get(cell.peer) ?? null };
    const ranges = [...shares[index]!];
    const others = [...othersOf(column, cell)];
    const grid = { column: index, replicas: columns.length, ranges, roundSamples };
    const work: Work = { kind: 'train', ...grid, others, row: [], measures: false };
    cell.engine.assign(round, { base, work });
  }
  for (const { index, cell } of cells) {
    expect((await cell.engine.next('worker.trained')).samples).toBe(totalOf(shares[index]!));
  }
}

interface Average {
  readonly state: StateName;
  /** The samples of each column. */
  readonly samples: readonly number[];
  /** The samples of the stage that the average contains. */
  readonly contained: number;
  readonly hash: string;
}

/** Averages a row and commits it: all of its cells have the parameters with this hash. */
async function averageRow(row: readonly CellEngine[], { state, samples, contained, hash }: Average): Promise<void> {
  const contributors = row.map(({ engine }, i) => engine.contributor(samples[i]!));
  for (const { engine } of row) engine.order({ type: 'coordinator.average', state, attempt: 1, contributors });
  for (const [column, { engine, peer }] of row.entries()) {
    const averaged = await engine.next('worker.averaged');
    expect(averaged, `${peer} in column ${column} after round ${state.round}`).toMatchObject({ contained, hash });
    engine.commit(state, contained, hash);
  }
}

/**
 * Two replicas of each peer, for two epochs: columns exchange and rows average, as two cohorts do in one process. After each round
 * all cells have the parameters of the reference, and the cells of one column, in turn, its slots: each cell keeps its own.
 */
export async function expectSameAverages(room: EngineRoom, { stage, peers, traces = ['auto'] }: Omit<Course, 'ends'>): Promise<void> {
  const { recipe, engineName: engine } = room;
  const columns: Columns = [await columnOf(room, peers, 1), await columnOf(room, peers, 1 + peers.length)];
  const open = (trace: EngineRecipe['trace']) => Promise.all(columns.map(() => Cohort.open(recipe, stage, { engine, trace })));
  const references = await Promise.all(traces.map(open));
  let hashes: ReadonlyMap<string, string> | null = null;
  let committed = 0;
  for (const [i, shares] of SHARED_ROUNDS.entries()) {
    const round = i + 1;
    const samples = shares.map(totalOf);
    await trainColumns(columns, { stage, round, committed, shares, hashes });
    for (const cohorts of references) {
      for (const [column, cohort] of cohorts.entries()) {
        cohort.train(shares[column]!, { committed, roundSamples: totalOf(shares.flat()) });
      }
      for (const peer of peers) averageCohorts(cohorts, peer, samples);
    }
    committed += totalOf(shares.flat());
    const hashOf = (peer: string) => hashState(new Map([['parameters', references[0]![0]!.parametersOf(peer)]]));
    hashes = new Map(peers.map((peer) => [peer, hashOf(peer)]));
    for (const [place, peer] of peers.entries()) {
      const row = columns.map((column) => column[place]!);
      await averageRow(row, { state: stateAt(stage, peer, round), samples, contained: committed, hash: hashes.get(peer)! });
      const column = i % columns.length;
      const tensors = await tensorsOf(room, row[column]!, { stage, round });
      for (const cohorts of references) {
        expect(tensors.get('parameters'), `${peer} after round ${round}`).toEqual(cohorts[column]!.parametersOf(peer));
        expect(tensors.get('slots'), `slots of ${peer} after round ${round}`).toEqual(cohorts[column]!.slotsOf(peer));
      }
    }
  }
  for (const cohort of references.flat()) cohort.dispose();
}
