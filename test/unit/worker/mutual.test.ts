/** Mutual learning over the wire is what it is in one process, to the bit. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asIncarnation, asRoundId } from '../../../src/base/ids.js';
import type { Base, ColumnCell } from '../../../src/protocol/control.js';
import type { StateName } from '../../../src/protocol/state-name.js';
import { averageCohorts, Cohort } from './cohort.js';
import { EngineRoom, PATIENT_MS, TERM, type TestEngine } from './engine-room.js';

const TRAINING = { on: 'train', test: 'test', epochs: 2, batch: 8, every: 2, optimizer: { name: 'adam', rate: 0.01 } };
const STAGES = {
  pair: {
    kind: 'mutual',
    ...TRAINING,
    augment: { cropPadding: 1, flip: true },
    peers: { big: { model: 'large' }, small: { model: 'small', optimizer: { name: 'sgd', rate: 0.05, momentum: 0.9 } } },
    loss: { temperature: 2, weight: { schedule: 'linear', from: 0, to: 1, epochs: 1 } },
  },
  three: { kind: 'mutual', ...TRAINING, model: 'small', peers: { a: {}, b: {}, c: { model: 'large' } }, loss: { labelSmoothing: 0.1 } },
  halved: { kind: 'mutual', ...TRAINING, model: 'small', peers: { a: {}, b: {} }, wire: 'half' },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

const stateAt = (stage: string, peer: string, round: number): StateName => ({ stage, peer, round });
const baseAt = (state: StateName, committed: number): Base => ({ state, hash: null, committed, sources: [], isStored: false });

interface CellEngine {
  readonly peer: string;
  readonly engine: TestEngine;
}

/** The engines of one column, one for each peer. */
async function columnOf(peers: readonly string[], first: number): Promise<readonly CellEngine[]> {
  return Promise.all(peers.map(async (peer, i) => ({ peer, engine: await room.engine('student', first + i) })));
}

/** The cells of the column without this one. */
function othersOf(column: readonly CellEngine[], own: CellEngine): readonly ColumnCell[] {
  const others = column.filter((cell) => cell !== own);
  return others.map(({ peer, engine }) => ({ peer, incarnation: engine.incarnation, endpoint: engine.endpoint }));
}

interface RoundOrder {
  readonly stage: string;
  readonly round: number;
  readonly start: number;
  readonly end: number;
  readonly committed: number;
  readonly total?: number;
  readonly replicas?: number;
}

function assignColumn(column: readonly CellEngine[], { stage, round, start, end, committed, ...rest }: RoundOrder): void {
  for (const cell of column) {
    const base = baseAt(stateAt(stage, cell.peer, committed === 0 ? 0 : round - 1), committed);
    cell.engine.train(round, start, end, { base, others: othersOf(column, cell), ...rest });
  }
}

async function parametersOf({ peer, engine }: CellEngine, stage: string, round: number): Promise<Float32Array> {
  const state = stateAt(stage, peer, round);
  engine.order({ type: 'coordinator.save', state });
  return (await room.stored(state)).tensors.get('parameters')!;
}

describe('one replica of each peer', () => {
  test.each([
    ['two peers of two architectures, each with its optimiser, and a weight that changes', 'pair', ['big', 'small']],
    ['three peers', 'three', ['a', 'b', 'c']],
  ])('%s: the run over the wire is the one in one process, to the bit', async (_, stage, peers) => {
    const column = await columnOf(peers, 1);
    const cohort = await Cohort.open(room.recipe, stage);
    // Seven steps: a whole epoch of 60 samples ends within the third round.
    const rounds = [16, 32, 64].map((end, i, ends) => ({ stage, round: i + 1, start: ends[i - 1] ?? 0, end, committed: ends[i - 1] ?? 0 }));
    for (const order of rounds) {
      assignColumn(column, order);
      cohort.train([{ start: order.start, end: order.end }], { committed: order.committed });
      for (const { peer, engine } of column) {
        const { samples } = await engine.next('worker.trained');
        expect(samples).toBe(order.end - order.start);
        engine.commit(stateAt(stage, peer, order.round), order.end);
      }
    }
    for (const cell of column) expect(await parametersOf(cell, stage, 3)).toEqual(cohort.parametersOf(cell.peer));
    cohort.dispose();
  });

  test('with predictions in float16 it stays close, and is not the same', async () => {
    const column = await columnOf(['a', 'b'], 1);
    const cohort = await Cohort.open(room.recipe, 'halved');
    assignColumn(column, { stage: 'halved', round: 1, start: 0, end: 32, committed: 0 });
    cohort.train([{ start: 0, end: 32 }], { committed: 0 });
    for (const { peer, engine } of column) {
      const { samples } = await engine.next('worker.trained');
      engine.commit(stateAt('halved', peer, 1), samples);
    }
    for (const cell of column) {
      const [found, exact] = [await parametersOf(cell, 'halved', 1), cohort.parametersOf(cell.peer)];
      const most = Math.max(...found.map((value, i) => Math.abs(value - exact[i]!)));
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThan(1e-3);
    }
    cohort.dispose();
  });
});

test('two replicas of each peer: rows average, columns exchange, as in one process', async () => {
  const peers = ['big', 'small'];
  const columns = [await columnOf(peers, 1), await columnOf(peers, 3)];
  const cohorts = [await Cohort.open(room.recipe, 'pair'), await Cohort.open(room.recipe, 'pair')];
  const ranges = [
    { start: 0, end: 24 },
    { start: 24, end: 40 },
  ];
  for (const [i, column] of columns.entries()) {
    assignColumn(column, { stage: 'pair', round: 1, ...ranges[i]!, committed: 0, total: 40, replicas: 2 });
    cohorts[i]!.train([ranges[i]!], { committed: 0, roundSamples: 40 });
  }
  for (const { engine } of columns.flat()) await engine.next('worker.trained');
  for (const [row, peer] of peers.entries()) {
    const cells = columns.map((column) => column[row]!.engine);
    const contributors = cells.map((engine, i) => engine.contributor(ranges[i]!.end - ranges[i]!.start));
    for (const engine of cells) engine.order({ type: 'coordinator.average', state: stateAt('pair', peer, 1), attempt: 1, contributors });
    for (const engine of cells) {
      const { hash } = await engine.next('worker.averaged');
      engine.commit(stateAt('pair', peer, 1), 40, hash);
    }
    averageCohorts(cohorts, peer, [24, 16]);
    expect(await parametersOf({ peer, engine: cells[0]! }, 'pair', 1)).toEqual(cohorts[0]!.parametersOf(peer));
  }
  for (const cohort of cohorts) cohort.dispose();
});

describe('a column', () => {
  test('tests the same rows together: each cell counts the rows of which both say the same class', async () => {
    const column = await columnOf(['big', 'small'], 1);
    const cohort = await Cohort.open(room.recipe, 'pair');
    assignColumn(column, { stage: 'pair', round: 1, start: 0, end: 32, committed: 0 });
    cohort.train([{ start: 0, end: 32 }], { committed: 0 });
    for (const { peer, engine } of column) {
      await engine.next('worker.trained');
      engine.commit(stateAt('pair', peer, 1), 32);
    }
    for (const cell of column) {
      const base = {
        ...baseAt(stateAt('pair', cell.peer, 1), 32),
        sources: [{ incarnation: cell.engine.incarnation, endpoint: 'inproc://own' }],
      };
      const work = { kind: 'evaluate' as const, split: 'test', start: 0, end: 20, others: [...othersOf(column, cell)] };
      cell.engine.assign(2, { base, work });
    }
    const [big, small] = [await column[0]!.engine.next('worker.evaluated'), await column[1]!.engine.next('worker.evaluated')];
    const same = await cohort.sameClasses('test', ['big', 'small']);
    expect([big.agreed, small.agreed]).toEqual([{ small: same }, { big: same }]);
    expect([big.count, small.count]).toEqual([20, 20]);
    cohort.dispose();
  });

  test('that is asked to conclude ends with the same step in every cell, whenever each of them hears of it', async () => {
    const column = await columnOf(['big', 'small'], 1);
    assignColumn(column, { stage: 'pair', round: 1, start: 0, end: 56, committed: 0 });
    const [big, small] = column.map(({ engine }) => engine) as [TestEngine, TestEngine];
    // Only one cell hears of it, and that one at once.
    big.order({ type: 'coordinator.conclude', round: asRoundId(1) });
    const counts = [(await big.next('worker.trained')).samples, (await small.next('worker.trained')).samples];
    expect(counts).toEqual([8, 8]);
  });

  test('answers about the steps of its rounds, as soon as they are there; every refusal says why', async () => {
    const [cell] = await columnOf(['big'], 1);
    const { engine } = cell!;
    const client = await room.client(engine);
    const ask = (about: object, specs: object[] = [{ of: 'logits' }]) =>
      client.request({ type: 'knowledge.get', term: TERM, stage: 'pair', about, specs, half: false } as never, [], PATIENT_MS);
    const refused = (reason: string) => expect.objectContaining({ reason });
    await expect(ask({ of: 'view', epoch: 0 })).rejects.toEqual(refused('invalid-message'));
    await expect(ask({ of: 'step', peer: 'big', round: 2, step: 1 }, [{ of: 'tap', layer: 'conv1', reduce: null }])).rejects.toEqual(
      refused('unknown-tap'),
    );

    // Before the round has begun, and before the other cell of the column has said anything.
    const first = ask({ of: 'step', peer: 'big', round: 2, step: 1 });
    const second = ask({ of: 'step', peer: 'big', round: 2, step: 2 });
    const nobody = { peer: 'small', incarnation: asIncarnation(9), endpoint: 'tcp://127.0.0.1:9' };
    engine.train(2, 0, 16, { base: baseAt(stateAt('pair', 'big', 0), 0), others: [nobody] });
    const { header, tensors } = await first;
    expect(header).toMatchObject({ type: 'knowledge.answer', stage: 'pair', isLast: false });
    expect(tensors.map(({ dtype, shape }) => [dtype, shape])).toEqual([['float32', [8, 10]]]);

    engine.order({ type: 'coordinator.abandon', round: asRoundId(2), reason: 'a test' });
    await expect(second).rejects.toEqual(refused('wrong-round'));
    await expect(ask({ of: 'step', peer: 'big', round: 2, step: 1 })).rejects.toEqual(refused('wrong-round'));
    engine.train(3, 0, 16, { base: baseAt(stateAt('pair', 'big', 0), 0), others: [nobody] });
    await ask({ of: 'step', peer: 'big', round: 3, step: 1 });
    await expect(ask({ of: 'step', peer: 'big', round: 1, step: 1 })).rejects.toEqual(refused('wrong-round'));
  });
});
