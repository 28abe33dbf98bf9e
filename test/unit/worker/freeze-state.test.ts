/**
 * Frozen layers in the state of a run: the two stages of FitNets with several students, stopped and killed on the way; and a peer that freezes
 * layers of its own. The arithmetic of frozen layers is in test/numeric/step-freeze.test.ts.
 */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { present } from '../../../src/base/assert.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import { buildModel } from '../../../src/nn/build.js';
import { arenaSchemaOf, disposeModel, readArena } from '../../../src/nn/weights.js';
import { initialSeed } from '../../../worker/kit/view.js';
import { EngineRoom } from './engine-room.js';
import { LedRun } from './led-run.js';

const TRAINING = {
  ...{ model: 'small', on: 'train', test: 'test', epochs: 2, batch: 6, every: 2, checkpointEvery: 1 },
  optimizer: { name: 'adam', rate: 0.01 },
};
const STAGES = {
  hints: {
    ...{ kind: 'distil', teacher: 'large', ...TRAINING, freeze: { after: 'conv1' } },
    loss: { labels: { weight: 0 }, terms: [{ loss: 'fitnets', weight: 1, taps: [['conv1', 'pool1']] }] },
  },
  student: { kind: 'distil', teacher: 'large', ...TRAINING, init: 'hints', freeze: { through: 'conv1' }, loss: {} },
  pair: { kind: 'mutual', ...TRAINING, peers: { held: { freeze: { through: 'conv1' } }, free: {} } },
};

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open(STAGES);
});
afterEach(() => room.close());

/** An arena of the model `small` in the weights of conv1, and in all others. */
interface Parts {
  readonly guided: readonly number[];
  readonly others: readonly number[];
}

/** The parts of arenas, the first of which is that with which the peer begins. */
async function partsFrom(peer: string, arenas: readonly Float32Array[]): Promise<readonly Parts[]> {
  const seed = initialSeed(room.recipe, { model: 'small', peer });
  const model = await buildModel(present(room.recipe.models.small, 'the model'), { inputShape: [12, 10, 1], classes: 10, seed });
  const schema = arenaSchemaOf(model);
  const all = [readArena(model, schema), ...arenas];
  disposeModel(model);
  const weights = (arena: Float32Array, isGuided: boolean) =>
    schema.entries
      .filter(({ name }) => name.startsWith('conv1/') === isGuided)
      .flatMap(({ offset, size }) => [...arena.subarray(offset, offset + size)]);
  return all.map((arena) => ({ guided: weights(arena, true), others: weights(arena, false) }));
}

const parametersOf = async (run: LedRun, stage: string, peer = MODEL_PEER): Promise<Float32Array> => {
  const last = run.records.findLast((record) => record.type === 'commit' && record.stage === stage);
  const { round } = present(last?.type === 'commit' ? last : null, `a commit of ${stage}`);
  return (await room.store.get({ stage, peer, round })).tensors.get('parameters') as Float32Array;
};

const afterRound = (stage: string, round: number) => (records: readonly JournalRecord[]) => {
  const last = records.at(-1);
  return last?.type === 'commit' && last.stage === stage && last.round >= round;
};

test('two students, stopped in the first stage of FitNets and killed in the second, keep what is frozen, and end with the same bits', async () => {
  const workers = { students: 2, teachers: 1 };
  const whole = new LedRun(room, 'large', 'hints', 'student');
  expect(await whole.term(workers)).toBe('done');
  const [hints, student] = [await parametersOf(whole, 'hints'), await parametersOf(whole, 'student')];
  const [initial, hinted, taught] = (await partsFrom(MODEL_PEER, [hints, student])) as [Parts, Parts, Parts];
  expect(hinted.others).toEqual(initial.others);
  expect(hinted.guided).not.toEqual(initial.guided);
  expect(taught.guided).toEqual(hinted.guided);
  expect(taught.others).not.toEqual(hinted.others);

  await room.close();
  room = await new EngineRoom().open(STAGES);
  const broken = new LedRun(room, 'large', 'hints', 'student');
  expect(await broken.term({ ...workers, until: afterRound('hints', 2), by: 'stop' })).toBe('stopped');
  expect(await broken.term({ ...workers, until: afterRound('student', 4), by: 'kill' })).toBe('killed');
  expect(await broken.term(workers)).toBe('done');
  expect(await parametersOf(broken, 'hints')).toEqual(hints);
  expect(await parametersOf(broken, 'student')).toEqual(student);
});

test('a peer freezes layers of its own, and the other one learns all of its', async () => {
  const run = new LedRun(room, 'pair');
  expect(await run.term({ students: 2 })).toBe('done');
  for (const peer of ['held', 'free']) {
    const [initial, trained] = (await partsFrom(peer, [await parametersOf(run, 'pair', peer)])) as [Parts, Parts];
    expect(trained.others).not.toEqual(initial.others);
    if (peer === 'held') expect(trained.guided).toEqual(initial.guided);
    else expect(trained.guided).not.toEqual(initial.guided);
  }
});
