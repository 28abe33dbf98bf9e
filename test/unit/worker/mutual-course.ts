/**
 * Courses of a mutual stage over the wire, beside the same stage in one process (cohort.ts): after each round every peer must have
 * the same parameters and the same optimiser slots, to the bit. The test is the coordinator.
 */

import { expect } from 'vitest';
import type { EngineRecipe } from '../../../src/config/schema.js';
import type { Base, ColumnCell } from '../../../src/protocol/control.js';
import type { StateName } from '../../../src/protocol/state-name.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import { averageCohorts, Cohort } from './cohort.js';
import type { EngineRoom, TestEngine } from './engine-room.js';

const MOMENTUM = { name: 'sgd', rate: 0.05, momentum: 0.9 };
export const TRAINING = { on: 'train', test: 'test', epochs: 2, batch: 8, every: 2, optimizer: { name: 'adam', rate: 0.01 } };

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
export const baseAt = (state: StateName, committed: number): Base => ({ state, hash: null, committed, sources: [], isStored: false });

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

/** Two replicas of each peer, with shares of 24 and 16 samples: columns exchange and rows average, as two cohorts do in one process. */
export async function expectSameAverage(room: EngineRoom, { stage, peers }: Pick<Course, 'stage' | 'peers'>): Promise<void> {
  const { recipe, engineName: engine } = room;
  const columns = [await columnOf(room, peers, 1), await columnOf(room, peers, 1 + peers.length)];
  const cohorts = await Promise.all(columns.map(() => Cohort.open(recipe, stage, { engine })));
  const ranges = [
    { start: 0, end: 24 },
    { start: 24, end: 40 },
  ];
  for (const [i, column] of columns.entries()) {
    assignColumn(column, { stage, round: 1, ...ranges[i]!, committed: 0, total: 40, replicas: 2 });
    cohorts[i]!.train([ranges[i]!], { committed: 0, roundSamples: 40 });
  }
  for (const { engine: cell } of columns.flat()) await cell.next('worker.trained');
  for (const [row, peer] of peers.entries()) {
    const cells = columns.map((column) => column[row]!);
    const contributors = cells.map((cell, i) => cell.engine.contributor(ranges[i]!.end - ranges[i]!.start));
    const state = stateAt(stage, peer, 1);
    for (const cell of cells) cell.engine.order({ type: 'coordinator.average', state, attempt: 1, contributors });
    for (const cell of cells) {
      const { hash } = await cell.engine.next('worker.averaged');
      cell.engine.commit(state, 40, hash);
    }
    averageCohorts(cohorts, peer, [24, 16]);
    const tensors = await tensorsOf(room, cells[0]!, { stage, round: 1 });
    expect(tensors.get('parameters'), peer).toEqual(cohorts[0]!.parametersOf(peer));
    // They are the cell's own, and not averaged.
    expect(tensors.get('slots'), `slots of ${peer}`).toEqual(cohorts[0]!.slotsOf(peer));
  }
  for (const cohort of cohorts) cohort.dispose();
}
