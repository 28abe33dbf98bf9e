import { createHash } from 'node:crypto';
import { memory } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { weightedAverage } from '../../../src/averaging/weighted-average.js';
import { asRoundId } from '../../../src/base/ids.js';
import type { CheckpointContent } from '../../../src/checkpoint/read-checkpoint.js';
import type { Base, Contributor } from '../../../src/protocol/control.js';
import type { Range } from '../../../src/protocol/field.js';
import type { StateName } from '../../../src/protocol/state-name.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { hashState } from '../../../src/tensor/state-tensors.js';
import { EngineRoom, INITIAL, PATIENT_MS, stateOf, TERM, type TestEngine } from './engine-room.js';

const STAGE = { kind: 'train', model: 'small', on: 'train', test: 'test' };

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open({
    hot: { ...STAGE, epochs: 1, batch: 8, optimizer: { name: 'sgd', rate: 1, weightDecay: 1e30 } },
    still: { ...STAGE, model: 'large', epochs: 10, batch: 8, optimizer: { name: 'adam', rate: 0.01 } },
  });
});
afterEach(() => room.close());

interface Arena {
  readonly parameters: Float32Array;
  readonly ranges: readonly Range[];
  readonly samples: number;
}

/** The answer to another replica about a round of `plain`. */
async function arenaOf(engine: TestEngine, round: number): Promise<Arena> {
  const client = await room.client(engine);
  const body = { type: 'arena.get', term: TERM, state: stateOf(round), attempt: 1, part: 'trained', start: 0, end: SIZE } as const;
  const { header, tensors } = await client.request(body, [], PATIENT_MS);
  return { parameters: tensors[0]?.data as Float32Array, ranges: header.ranges, samples: header.samples };
}

/** The parameters of the model `small`. */
const SIZE = 1066;

/** The answer to a joining student about a committed state. */
async function committedOf(engine: TestEngine, state: StateName, hash: string | null = null) {
  const client = await room.client(engine);
  return (await client.request({ type: 'state.get', term: TERM, state, hash, start: 0, end: 1e6 }, [], PATIENT_MS)).header;
}

/** One round of one student alone, committed. Answers the base of the next round. */
async function trainAlone(student: TestEngine, round: number, range: Range, base: Base): Promise<Base> {
  student.train(round, range.start, range.end, { base });
  const { samples } = await student.next('worker.trained');
  return student.commit({ ...base.state, round }, base.committed + samples);
}

async function saved(student: TestEngine, state: StateName): Promise<CheckpointContent> {
  student.order({ type: 'coordinator.save', state });
  return room.stored(state);
}

describe('a student alone', () => {
  test('trains, commits, saves, and another one goes on from the checkpoint with the same bits', async () => {
    const first = await room.engine('student', 1);
    const base = await trainAlone(first, 1, { start: 0, end: 20 }, INITIAL);
    const { info, tensors } = await saved(first, base.state);
    expect(info).toMatchObject({ state: stateOf(1), ranges: [{ start: 0, end: 20 }], hash: hashState(tensors) });

    const second = await room.engine('student', 2);
    const undisturbed = await trainAlone(first, 2, { start: 20, end: 60 }, base);
    const resumed = await trainAlone(second, 2, { start: 20, end: 60 }, { ...base, hash: info.hash, isStored: true });
    const { hash } = await committedOf(first, undisturbed.state);
    expect(await committedOf(second, resumed.state, hash)).toMatchObject({ hash, ranges: [{ start: 0, end: 60 }] });
  });

  test('reports what it trained on, and a loss that falls', async () => {
    const student = await room.engine('student', 1);
    const losses: number[] = [];
    let base = { ...INITIAL, state: stateOf(0, 'still') };
    for (let epoch = 0; epoch < 10; epoch++) {
      student.train(epoch + 1, 60 * epoch, 60 * epoch + 60, { base });
      const { samples, lossSum, correct } = await student.next('worker.trained');
      expect(samples).toBe(60);
      expect(correct).toBeLessThanOrEqual(60);
      losses.push(lossSum / samples);
      base = student.commit({ ...base.state, round: epoch + 1 }, base.committed + samples);
    }
    expect(losses.at(-1)).toBeLessThan(0.8 * (losses[0] ?? 0));
  });

  test('evaluates the rows it is given: two halves are the whole', async () => {
    const student = await room.engine('student', 1);
    const rows = async (round: number, start: number, end: number) => {
      student.assign(round, { work: { kind: 'evaluate', split: 'test', start, end, others: [] } });
      return student.next('worker.evaluated');
    };
    const whole = await rows(1, 0, 20);
    const halves = [await rows(2, 0, 9), await rows(3, 9, 20)];
    expect(whole.count).toBe(20);
    expect(halves.reduce((sum, { correct }) => sum + correct, 0)).toBe(whole.correct);
    expect(halves.reduce((sum, { lossSum }) => sum + lossSum, 0)).toBeCloseTo(whole.lossSum, 3);
  });

  test('parameters that are not finite are named with stage, round and step, and never handed out', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 40, { stage: 'hot' });
    const { message, ranges } = await student.next('worker.notFinite');
    expect(message).toMatch(/stage hot, round 1: .*step 2 of 5/);
    expect(ranges, 'step 1 has ruined the parameters').toEqual([{ start: 0, end: 8 }]);
    const client = await room.client(student);
    const body = { type: 'state.get', term: TERM, state: stateOf(1, 'hot'), hash: null, start: 0, end: 1e6 } as const;
    await expect(client.request(body, [], PATIENT_MS)).rejects.toMatchObject({ reason: 'wrong-round' });
  });

  test('a round of one that is abandoned leaves nothing: its base is kept nowhere', async () => {
    const student = await room.engine('student', 1);
    const base = await trainAlone(student, 1, { start: 0, end: 20 }, INITIAL);
    student.train(2, 20, 40, { base });
    await student.next('worker.trained');
    student.order({ type: 'coordinator.abandon', round: asRoundId(2), reason: 'a test' });
    await expect(committedOf(student, base.state)).rejects.toMatchObject({ reason: 'wrong-round' });
    student.train(3, 20, 40, { base });
    expect(await student.next('worker.failed')).toMatchObject({ code: 'request.refused' });
  });

  test('a conclusion after the last step brings the same report again', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 20);
    const report = await student.next('worker.trained');
    student.order({ type: 'coordinator.conclude', round: asRoundId(1) });
    expect(await student.next('worker.trained')).toEqual(report);
  });

  test('a commit whose message was lost shows in the next assignment', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 20);
    await student.next('worker.trained');
    const base = { ...INITIAL, state: stateOf(1), committed: 20 };
    student.train(2, 20, 40, { base: { ...base, sources: [{ incarnation: student.incarnation, endpoint: student.endpoint }] } });
    expect(await student.next('worker.trained')).toMatchObject({ round: 2, samples: 20 });
  });

  test('what it trained in a round is not taken for that round, when another is named as the one that holds it', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 20, { replicas: 2, total: 40 });
    await student.next('worker.trained');
    const other = await room.engine('student', 7);
    const sources = [{ incarnation: other.incarnation, endpoint: other.endpoint }];
    student.train(2, 20, 40, { base: { ...INITIAL, state: stateOf(1), committed: 20, sources } });
    expect(await student.next('worker.failed')).toMatchObject({ code: 'request.refused' });
  });

  test('holds no more tensors after many rounds and stages than after one, and none at the end', async () => {
    const before = memory().numTensors;
    const student = await room.engine('student', 1);
    const counts: number[] = [];
    for (let round = 1; round <= 3; round++) {
      await trainAlone(student, round, { start: 0, end: 20 }, INITIAL);
      student.assign(10 + round, { stage: 'large', work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
      await student.next('worker.evaluated');
      counts.push(memory().numTensors);
    }
    expect(new Set(counts).size).toBe(1);
    await student.close();
    expect(memory().numTensors).toBe(before);
  });

  test('an assignment calls off the one before', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 120);
    student.train(2, 0, 20);
    expect(await student.next('worker.trained')).toMatchObject({ round: 2, samples: 20 });
  });

  test('a base that nobody has is reported, and the student lives on', async () => {
    const student = await room.engine('student', 1);
    student.train(3, 0, 20, { base: { ...INITIAL, state: stateOf(2), hash: 'a'.repeat(64), committed: 40 } });
    expect(await student.next('worker.failed')).toMatchObject({ code: 'request.refused' });
    student.train(4, 0, 20, { base: { ...INITIAL, state: stateOf(2), hash: 'a'.repeat(64), committed: 40, isStored: true } });
    expect(await student.next('worker.failed')).toMatchObject({ code: 'checkpoint.damaged' });
    student.train(5, 0, 20);
    await student.next('worker.trained');
  });

  test('a base of another model is named with both schemas, and is no damaged checkpoint', async () => {
    const student = await room.engine('student', 1);
    const base = await trainAlone(student, 1, { start: 0, end: 20 }, INITIAL);
    const { info, ...content } = await saved(student, base.state);
    await room.store.put({ info: { ...info, state: stateOf(2), schema: 'abc0'.repeat(16) }, ...content });
    const other = await room.engine('student', 2);
    other.train(3, 20, 40, { base: { ...base, state: stateOf(2), isStored: true } });
    const failed = await other.next('worker.failed');
    expect(failed.code).toBe('model.invalid');
    expect(failed.message).toContain('abc0abc0abc0');
    expect(failed.message).toContain(info.schema.slice(0, 12));
    expect(failed.message).toContain('The model has changed');
  });

  test('a checkpoint whose parameters are not what it says is damaged', async () => {
    const student = await room.engine('student', 1);
    const base = await trainAlone(student, 1, { start: 0, end: 20 }, INITIAL);
    await saved(student, base.state);
    const other = await room.engine('student', 2);
    other.train(2, 20, 40, { base: { ...base, hash: 'b'.repeat(64), isStored: true } });
    const failed = await other.next('worker.failed');
    expect(failed).toMatchObject({ code: 'checkpoint.damaged' });
    expect(failed.message).toContain('stage plain, round 1');
  });

  test('an evaluation that is not finite names stage, round and epoch', async () => {
    const student = await room.engine('student', 1);
    const base = await trainAlone(student, 1, { start: 0, end: 60 }, INITIAL);
    const { info, tensors, topology } = await saved(student, base.state);
    const huge = new Map(tensors).set('parameters', new Float32Array(SIZE).fill(1e30));
    const hash = hashState(huge);
    await room.store.put({ info: { ...info, state: stateOf(2), hash }, tensors: huge, topology });
    const work = { kind: 'evaluate' as const, split: 'test', start: 0, end: 20, others: [] };
    student.assign(2, { base: { ...base, state: stateOf(2), hash, isStored: true }, work });
    const failed = await student.next('worker.failed');
    expect(failed.code).toBe('training.notFinite');
    expect(failed.message).toContain('stage plain, round 2, epoch 1');
  });

  test('a checkpoint that is not stored is called that', async () => {
    const student = await room.engine('student', 1);
    const base = await trainAlone(student, 1, { start: 0, end: 20 }, INITIAL);
    room.isFull = true;
    student.order({ type: 'coordinator.save', state: base.state });
    const failed = await student.next('worker.failed');
    expect(failed.code).toBe('checkpoint.unwritable');
    expect(failed.message).toMatch(/the checkpoint of stage plain, round 1 was not stored: .*no space left on device/);
  });

  test('with another model, nothing is known of how long a batch takes', async () => {
    const student = await room.engine('student', 1);
    await trainAlone(student, 1, { start: 0, end: 20 }, INITIAL);
    const measured = student.progress.length;
    student.train(2, 0, 20, { stage: 'large' });
    await student.next('worker.trained');
    const before = student.progress.slice(measured).filter(({ progress }) => progress === 3);
    expect(before).toContainEqual(expect.objectContaining({ batchMs: null }));
  });

  test('what others ask of it is theirs to count', async () => {
    const student = await room.engine('student', 1);
    student.train(1, 0, 20);
    await student.next('worker.trained');
    student.commit(stateOf(1), 20);
    expect((await committedOf(student, stateOf(1))).ranges).toEqual([{ start: 0, end: 20 }]);
    student.train(2, 0, 20, { stage: 'large' });
    await student.next('worker.trained');
    expect(student.progress.at(-1)?.dataBytes).toBe(0);
  });

  test('the log says what was trained, and what failed', async () => {
    const student = await room.engine('student', 1);
    await trainAlone(student, 7, { start: 0, end: 20 }, INITIAL);
    expect(student.lines).toContainEqual(
      expect.objectContaining({ event: 'round.trained', stage: 'plain', round: 7, step: 3, samples: 20 }),
    );
    student.train(8, 0, 20, { stage: 'hot' });
    await student.next('worker.notFinite');
    expect(student.lines).toContainEqual(expect.objectContaining({ event: 'step.notFinite', stage: 'hot' }));
  });

  test('saving a round that it does not hold fails and names it', async () => {
    const student = await room.engine('student', 1);
    student.order({ type: 'coordinator.save', state: stateOf(7) });
    const message = expect.stringContaining('stage plain, round 7');
    expect(await student.next('worker.failed')).toMatchObject({ code: 'checkpoint.unwritable', message });
    expect(student.lines).toContainEqual(expect.objectContaining({ event: 'work.failed', stage: 'plain', round: 7 }));
  });
});

describe('three students', () => {
  let students: TestEngine[];
  const shares: readonly Range[] = [
    { start: 0, end: 16 },
    { start: 16, end: 36 },
    { start: 36, end: 40 },
  ];

  beforeEach(async () => {
    students = await Promise.all([1, 2, 3].map((incarnation) => room.engine('student', incarnation)));
  });

  async function trainAll(round: number, base: Base): Promise<Contributor[]> {
    students.forEach((student, i) => {
      student.train(round, shares[i]?.start ?? 0, shares[i]?.end ?? 0, { base, total: 40, replicas: 3 });
    });
    return Promise.all(students.map(async (student) => student.contributor((await student.next('worker.trained')).samples)));
  }

  test('average to the same bits: the weighted average of their arenas, in rank order', async () => {
    const contributors = await trainAll(1, INITIAL);
    const arenas = await Promise.all(students.map((student) => arenaOf(student, 1)));
    expect(arenas.map(({ ranges }) => ranges)).toEqual(shares.map((range) => [range]));
    for (const student of students) student.average(1, contributors);
    const averaged = await Promise.all(students.map((student) => student.next('worker.averaged')));
    const expected = weightedAverage(arenas.map(({ parameters: arena, samples }) => ({ arena, samples })));
    const hash = createHash('sha256').update(new Uint8Array(expected.buffer)).digest('hex');
    expect(averaged.map((report) => report.hash)).toEqual([hash, hash, hash]);
    expect(averaged.map(({ contained }) => contained)).toEqual([40, 40, 40]);
  });

  test('a smaller exchange starts again from what was trained', async () => {
    const contributors = await trainAll(1, INITIAL);
    // The third drops its arena, as one that has been restarted would have.
    students[2]?.order({ type: 'coordinator.abandon', round: asRoundId(1), reason: 'a test' });
    for (const student of students.slice(0, 2)) student.average(1, contributors);
    for (const student of students.slice(0, 2)) {
      expect(await student.next('worker.unreachable')).toMatchObject({ round: 1, attempt: 1, replica: 3 });
    }
    for (const student of students.slice(0, 2)) student.average(1, contributors.slice(0, 2), 2);
    const [first, second] = await Promise.all(students.slice(0, 2).map((student) => student.next('worker.averaged')));
    expect(first).toMatchObject({ attempt: 2, contained: 36 });
    expect(second?.hash).toBe(first?.hash);
  });

  test('one that is left of three has its own parameters committed', async () => {
    const contributors = await trainAll(1, INITIAL);
    const [first, second, third] = students as [TestEngine, TestEngine, TestEngine];
    for (const student of students) student.average(1, contributors);
    const [report] = await Promise.all(students.map((student) => student.next('worker.averaged')));
    const own = (await arenaOf(first, 1)).parameters;
    first.commit(stateOf(1), 16);
    const header = await committedOf(first, stateOf(1));
    expect(header).toMatchObject({ ranges: [shares[0]], hash: hashState(new Map([['parameters', own]])) });
    expect(header.hash).not.toBe(report?.hash);
    for (const other of [second, third]) await expect(committedOf(other, stateOf(1))).rejects.toMatchObject({ reason: 'wrong-round' });
  });

  test('an abandoned round leaves the committed state and drops the arena', async () => {
    const contributors = await trainAll(1, INITIAL);
    for (const student of students) student.average(1, contributors);
    const [report] = await Promise.all(students.map((student) => student.next('worker.averaged')));
    const bases = students.map((student) => student.commit(stateOf(1), 40, report?.hash));
    const [student, other] = students as [TestEngine, TestEngine];
    student.train(2, 40, 60, { base: bases[0] as Base, replicas: 2 });
    await student.next('worker.trained');
    student.order({ type: 'coordinator.abandon', round: asRoundId(2), reason: 'a test' });
    await expect(arenaOf(student, 2)).rejects.toMatchObject({ reason: 'not-ready' });
    for (const each of [student, other]) {
      each.train(3, 40, 60, { base: bases[0] as Base, replicas: 2 });
      await each.next('worker.trained');
    }
    expect((await arenaOf(student, 3)).ranges).toEqual([{ start: 0, end: 60 }]);
  });

  test('a joiner takes the committed state from another student', async () => {
    const contributors = await trainAll(1, INITIAL);
    for (const student of students) student.average(1, contributors);
    const [report] = await Promise.all(students.map((student) => student.next('worker.averaged')));
    const hash = report?.hash ?? '';
    for (const student of students) student.commit(stateOf(1), 40, hash);
    const [, second] = students as [TestEngine, TestEngine];
    const joiner = await room.engine('student', 4);
    const sources = [joiner, second].map(({ incarnation, endpoint }) => ({ incarnation, endpoint }));
    const base = { ...INITIAL, state: stateOf(1), hash, committed: 40, sources };
    for (const student of [joiner, second]) student.train(2, 40, 56, { base, replicas: 2 });
    const [a, b] = await Promise.all([joiner, second].map((student) => student.next('worker.trained')));
    expect(a?.lossSum).toBe(b?.lossSum);
    expect(await arenaOf(joiner, 2)).toEqual({ ...(await arenaOf(second, 2)), ranges: [{ start: 0, end: 56 }] });
  });

  test('a joiner takes what one student has trained alone, and asks for it before that student goes on', async () => {
    const [first] = students as [TestEngine];
    const alone = await trainAlone(first, 1, { start: 0, end: 16 }, INITIAL);
    const base = { ...alone, sources: [{ incarnation: first.incarnation, endpoint: first.endpoint }] };
    const joiner = await room.engine('student', 4);
    for (const student of [first, joiner]) student.train(2, 16, 40, { base, replicas: 2 });
    const [a, b] = await Promise.all([first, joiner].map((student) => student.next('worker.trained')));
    expect(a?.lossSum).toBe(b?.lossSum);
    expect(await arenaOf(joiner, 2)).toEqual(await arenaOf(first, 2));
  });

  test('arenas and states are handed out for the right state and term only', async () => {
    await trainAll(1, INITIAL);
    const client = await room.client(students[0] as TestEngine);
    const arena = { type: 'arena.get', term: TERM, state: stateOf(1), attempt: 1, part: 'trained', start: 0, end: SIZE } as const;
    const state = { type: 'state.get', term: TERM, state: stateOf(1), hash: 'a'.repeat(64), start: 0, end: 1e6 } as const;
    const samples = { name: 'samples', dtype: 'int32', shape: [1], data: Int32Array.of(0) } as const;
    const ask = (body: Parameters<typeof client.request>[0], tensors: readonly (typeof samples)[] = []) =>
      client.request(body, tensors, PATIENT_MS);
    await expect(ask({ ...arena, state: stateOf(2) })).rejects.toMatchObject({ reason: 'wrong-round' });
    await expect(ask({ ...arena, state: { ...stateOf(1), peer: 'big' } })).rejects.toMatchObject({ reason: 'wrong-round' });
    await expect(ask({ ...arena, state: stateOf(1, 'large') })).rejects.toMatchObject({ reason: 'wrong-stage' });
    await expect(ask({ ...arena, term: (TERM - 1) as typeof TERM })).rejects.toMatchObject({ reason: 'old-term' });
    await expect(ask(state)).rejects.toMatchObject({ reason: 'wrong-round' });
    await expect(
      ask({ type: 'knowledge.get', term: TERM, stage: 'plain', about: { of: 'view', epoch: 0 }, specs: [LOGITS_SPEC], half: false }, [
        samples,
      ]),
    ).rejects.toMatchObject({
      reason: 'invalid-message',
    });
  });
});
