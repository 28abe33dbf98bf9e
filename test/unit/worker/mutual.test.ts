/** Mutual learning over the wire is what it is in one process, to the bit. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asIncarnation, asRoundId } from '../../../src/base/ids.js';
import { Cohort } from '../../support/cohort.js';
import { EngineRoom, PATIENT_MS, TERM, type TestEngine } from './engine-room.js';
import {
  assignColumn,
  baseAt,
  COURSE_MODELS,
  COURSE_STAGES,
  columnOf,
  expectSameAverages,
  expectSameCourse,
  othersOf,
  STEP_BY_STEP,
  stateAt,
  TRAINING,
  tensorsOf,
} from './mutual-course.js';

const STAGES = {
  ...COURSE_STAGES,
  halved: { kind: 'mutual', ...TRAINING, model: 'small', peers: { a: {}, b: {} }, wire: 'half' },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES, { models: COURSE_MODELS });
});
afterEach(() => room.close());

describe('one replica of each peer: the run over the wire is the one in one process, to the bit', () => {
  test('two peers of two architectures, each with its optimiser, and a weight that changes, in rounds of several steps', () =>
    expectSameCourse(room, { stage: 'pair', peers: ['big', 'small'], ends: [16, 32, 64] }));

  test('three peers, after each step', () => expectSameCourse(room, { stage: 'three', peers: ['a', 'b', 'c'], ends: STEP_BY_STEP }));

  test('the gradients of each step', () => expectSameCourse(room, { stage: 'gradient', peers: ['a', 'b', 'c'], ends: STEP_BY_STEP }));

  test('with predictions in float16 it stays close, and is not the same', async () => {
    const column = await columnOf(room, ['a', 'b'], 1);
    const cohort = await Cohort.open(room.recipe, 'halved');
    assignColumn(column, { stage: 'halved', round: 1, start: 0, end: 32, committed: 0 });
    cohort.train([{ start: 0, end: 32 }], { committed: 0 });
    for (const { peer, engine } of column) {
      const { samples } = await engine.next('worker.trained');
      engine.commit(stateAt('halved', peer, 1), samples);
    }
    for (const cell of column) {
      const found = (await tensorsOf(room, cell, { stage: 'halved', round: 1 })).get('parameters')!;
      const exact = cohort.parametersOf(cell.peer);
      const most = Math.max(...found.map((value, i) => Math.abs(value - exact[i]!)));
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThan(1e-3);
    }
    cohort.dispose();
  });
});

describe('two replicas of each peer, over several rounds: rows average and columns exchange as in one process, to the bit', () => {
  test.each([
    ['two peers of two architectures', 'pair', ['big', 'small']],
    ['three peers', 'three', ['a', 'b', 'c']],
    ['a peer with BatchNorms', 'normed', ['norm', 'small']],
  ] as const)('%s', (_, stage, peers) => expectSameAverages(room, { stage, peers }));
});

describe('a column', () => {
  test('tests the same rows together: each cell counts the rows of which both say the same class', async () => {
    const column = await columnOf(room, ['big', 'small'], 1);
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
    const column = await columnOf(room, ['big', 'small'], 1);
    const [big, small] = column.map(({ engine }) => engine) as [TestEngine, TestEngine];
    const client = await room.client(small);
    const about = { of: 'step' as const, peer: 'small', round: asRoundId(1), step: 2, side: 'own' as const };
    const second = client.request(
      { type: 'knowledge.get', term: TERM, stage: 'pair', about, specs: [{ of: 'logits' }], half: false },
      [],
      PATIENT_MS,
    );
    assignColumn(column, { stage: 'pair', round: 1, start: 0, end: 56, committed: 0 });
    await second;
    // Only one cell hears of it.
    big.order({ type: 'coordinator.conclude', round: asRoundId(1) });
    const counts = [(await big.next('worker.trained')).samples, (await small.next('worker.trained')).samples];
    expect(counts[0]).toBeGreaterThanOrEqual(8);
    expect(counts[0]).toBeLessThan(56);
    expect(counts[1]).toBe(counts[0]);
  });

  test('answers about the steps of its rounds, as soon as they are there; every refusal says why', async () => {
    const [cell] = await columnOf(room, ['big'], 1);
    const { engine } = cell!;
    const client = await room.client(engine);
    const ask = (about: object, specs: object[] = [{ of: 'logits' }]) =>
      client.request({ type: 'knowledge.get', term: TERM, stage: 'pair', about, specs, half: false } as never, [], PATIENT_MS);
    const refused = (reason: string) => expect.objectContaining({ reason });
    await expect(ask({ of: 'view', epoch: 0 })).rejects.toEqual(refused('invalid-message'));

    // Before the round has begun, and before the other cell of the column has said anything.
    const first = ask({ of: 'step', peer: 'big', round: 2, step: 1, side: 'own' });
    const second = ask({ of: 'step', peer: 'big', round: 2, step: 2, side: 'own' });
    const nobody = { peer: 'small', incarnation: asIncarnation(9), endpoint: 'tcp://127.0.0.1:9' };
    engine.train(2, 0, 16, { base: baseAt(stateAt('pair', 'big', 0), 0), others: [nobody] });
    const { header, tensors } = await first;
    expect(header).toMatchObject({ type: 'knowledge.answer', stage: 'pair' });
    expect(tensors.map(({ dtype, shape }) => [dtype, shape])).toEqual([['float32', [8, 10]]]);
    const given = { of: 'step', peer: 'big', round: 2, step: 1 };
    await expect(ask({ ...given, side: 'own' }, [{ of: 'tap', layer: 'conv1', reduce: null }])).rejects.toEqual(refused('unknown-tap'));
    await expect(ask({ ...given, side: 'other' })).rejects.toEqual(refused('unknown-tap'));

    engine.order({ type: 'coordinator.abandon', round: asRoundId(2), reason: 'a test' });
    await expect(second).rejects.toEqual(refused('wrong-round'));
    await expect(ask({ of: 'step', peer: 'big', round: 2, step: 1, side: 'own' })).rejects.toEqual(refused('wrong-round'));
    engine.train(3, 0, 16, { base: baseAt(stateAt('pair', 'big', 0), 0), others: [nobody] });
    await ask({ of: 'step', peer: 'big', round: 3, step: 1, side: 'own' });
    await expect(ask({ of: 'step', peer: 'big', round: 1, step: 1, side: 'own' })).rejects.toEqual(refused('wrong-round'));
  });
});
