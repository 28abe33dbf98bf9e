/** The memory of a loss belongs to the state of the students: replicas exchange its rows, and it is stored and resumed with the model's parameters. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { present } from '../../../src/base/assert.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import { createMemory } from '../../../src/nn/memory.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import { initialSeed } from '../../../worker/kit/view.js';
import { samplesAt } from '../../../worker/student/batch-plan.js';
import { EngineRoom } from './engine-room.js';
import { LedRun, type TermOptions } from './led-run.js';

const SAMPLES = 60;
const WIDTH = 4;
const SEED = 11;

const STAGE = { kind: 'distil', teacher: 'large', model: 'small', on: 'train', test: 'test', batch: 6, every: 2, checkpointEvery: 2 };

let room: EngineRoom;

async function openRoom(epochs: number): Promise<EngineRoom> {
  const crd = { loss: 'crd', taps: [['flatten', 'hidden']], negatives: 20, width: WIDTH };
  const stage = { ...STAGE, epochs, optimizer: { name: 'adam', rate: 0.01 }, loss: { terms: [crd] } };
  return new EngineRoom().open({ contrasted: stage });
}

beforeEach(async () => {
  room = await openRoom(2);
});
afterEach(async () => {
  await room.close();
});

async function runOf(terms: readonly TermOptions[], epochs = 2): Promise<LedRun> {
  await room.close();
  room = await openRoom(epochs);
  const run = new LedRun(room, 'large', 'contrasted');
  const outcomes: string[] = [];
  for (const term of terms) outcomes.push(await run.term({ teachers: 1, ...term }));
  expect(outcomes.at(-1)).toBe('done');
  return run;
}

interface Memory {
  readonly rows: readonly (readonly number[])[];
  readonly z: number;
}

/** The memory of both sides, the student's first, which lies at the end of the adapters. */
function memoryOf(tensors: StateTensors): readonly Memory[] {
  const adapters = present(tensors.get('adapters'), 'the adapters');
  const size = SAMPLES * WIDTH + 1;
  return [2, 1].map((fromEnd) => {
    const own = adapters.subarray(adapters.length - fromEnd * size, adapters.length - (fromEnd - 1) * size);
    const rows = Array.from({ length: SAMPLES }, (_, i) => [...own.subarray(i * WIDTH, (i + 1) * WIDTH)]);
    return { rows, z: own[SAMPLES * WIDTH]! };
  });
}

const afterCommits = (count: number) => (records: readonly JournalRecord[]) =>
  records.filter((record) => record.type === 'commit' && record.stage === 'contrasted').length === count;

test('two students: each row has the length 1 and that of the replica that has trained its sample, with one Z', async () => {
  // A checkpoint after two rounds of 24 samples: the rows of the other 12 are the initial ones.
  const run = await runOf([{ students: 2, until: afterCommits(2), by: 'stop' }, { students: 2 }]);
  const second = present(run.commits.filter(({ stage }) => stage === 'contrasted')[1], 'the second commit');
  const early = memoryOf((await room.store.get({ stage: 'contrasted', peer: MODEL_PEER, round: second.round })).tensors);
  const late = memoryOf(await run.tensors());
  const seen = new Set(samplesAt([{ start: 0, end: second.committed }], { size: SAMPLES, seed: SEED }));
  expect(seen.size).toBe(48);
  const seed = initialSeed(room.recipe, { model: 'small', peer: MODEL_PEER });
  const names = ['student', 'teacher'].map((side) => ({ name: `crd.pair1-${side}-rows`, width: WIDTH }));
  const initial = createMemory(names, SAMPLES, seed);
  early.forEach(({ rows, z }, side) => {
    expect(z).toBeGreaterThan(0);
    expect(late[side]!.z, 'Z stays as the first commit has made it').toBe(z);
    const before = initial[side]!.arraySync() as number[][];
    rows.forEach((row, sample) => {
      // The average of two unit vectors would be shorter.
      expect(Math.hypot(...row)).toBeCloseTo(1, 5);
      if (seen.has(sample)) expect(row, `sample ${sample}`).not.toEqual(before[sample]);
      else expect(row, `sample ${sample}`).toEqual(before[sample]);
    });
  });
  for (const variable of initial) variable.dispose();
});

test('stopped, and killed after a checkpoint, a run of two students goes on to the same bits of the memory', async () => {
  const students = 2;
  const expected = await (await runOf([{ students }])).tensors();
  const broken = await runOf([
    { students, until: afterCommits(2), by: 'stop' },
    { students, until: afterCommits(3), by: 'kill' },
    { students },
  ]);
  const tensors = await broken.tensors();
  expect([...tensors.keys()]).toEqual(['parameters', 'adapters', 'slots', 'slots.1']);
  expect(tensors).toEqual(expected);
});
