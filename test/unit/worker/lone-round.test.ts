/**
 * A round of one student copies, scans and hashes nothing: counted on the real program, by a wrapper around each of its
 * methods. The wrapper also lets a test act in the middle of a round.
 */

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asRoundId } from '../../../src/base/ids.js';
import type { Base } from '../../../src/protocol/control.js';
import type { StepProgram } from '../../../src/step/step-program.js';
import { EngineRoom, INITIAL, stateOf, TERM, type TestEngine } from './engine-room.js';

/** Calls of every program since the last look, in order, and what to do before a step. */
const watched = vi.hoisted(() => ({ calls: [] as string[], scans: 0, hashes: 0, beforeStep: (): void => {} }));

vi.mock('../../../src/programs/choose-step.js', async (original) => {
  const real = await original<typeof import('../../../src/programs/choose-step.js')>();
  return { ...real, buildStep: (options: Parameters<typeof real.buildStep>[0]) => watch(real.buildStep(options)) };
});
vi.mock('../../../src/tensor/finite.js', async (original) => {
  const real = await original<typeof import('../../../src/tensor/finite.js')>();
  const isFiniteArena = (arena: Float32Array): boolean => {
    watched.scans += 1;
    return real.isFiniteArena(arena);
  };
  return { isFiniteArena };
});
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof import('node:crypto')>();
  const createHash = (...options: Parameters<typeof real.createHash>) => {
    watched.hashes += 1;
    return real.createHash(...options);
  };
  return { ...real, createHash };
});

const COPIES: readonly (keyof StepProgram)[] = ['readParameters', 'writeParameters', 'readSlots', 'writeSlots', 'resetSlots'];

function watch(program: StepProgram): StepProgram {
  return new Proxy(program, {
    get(target, name: keyof StepProgram) {
      const value = target[name];
      if (typeof value !== 'function') return value;
      return (...options: never[]) => {
        if (name === 'step') watched.beforeStep();
        watched.calls.push(name);
        return (value as (...own: never[]) => unknown).apply(target, options);
      };
    },
  });
}

/** The numbers of copies, scans and hashes since the last call. */
function costs(): { copies: readonly string[]; scans: number; hashes: number } {
  const copies = watched.calls.filter((name) => COPIES.includes(name as keyof StepProgram));
  const { scans, hashes } = watched;
  watched.calls.length = 0;
  watched.scans = 0;
  watched.hashes = 0;
  return { copies, scans, hashes };
}

const NOTHING = { copies: [], scans: 0, hashes: 0 };

let room: EngineRoom;
let student: TestEngine;
beforeEach(async () => {
  room = await new EngineRoom().open();
  student = await room.engine('student', 1);
  watched.beforeStep = () => {};
});
afterEach(() => room.close());

async function train(round: number, start: number, end: number, base: Base): Promise<Base> {
  student.train(round, start, end, { base });
  const { samples } = await student.next('worker.trained');
  return student.commit(stateOf(round), base.committed + samples);
}

/** The first round builds the model, which reads the initial parameters once. */
async function begin(): Promise<Base> {
  const base = await train(1, 0, 16, INITIAL);
  costs();
  return base;
}

test('the first round trains on from what the program was built with', async () => {
  await train(1, 0, 16, INITIAL);
  expect(costs().copies).toEqual(['readParameters']);
});

describe('a round of one student', () => {
  test('copies, scans and hashes nothing, from its base to its commit; nor does an evaluation between two', async () => {
    let base = await begin();
    for (let round = 2; round <= 4; round++) base = await train(round, 16 * (round - 1), 16 * round, base);
    student.assign(5, { base, work: { kind: 'evaluate', split: 'test', start: 0, end: 20, others: [] } });
    await student.next('worker.evaluated');
    await train(6, 64, 80, base);
    expect(watched.calls.filter((name) => name === 'step')).not.toEqual([]);
    expect(costs()).toEqual(NOTHING);
  });

  test('a checkpoint reads it out once, and a joining student gets the same arrays', async () => {
    const base = await begin();
    student.order({ type: 'coordinator.save', state: base.state });
    const { info } = await room.stored(base.state);
    expect(costs()).toMatchObject({ copies: ['readParameters', 'readSlots'], scans: 2 });
    const client = await room.client(student);
    const { header } = await client.request(
      { type: 'state.get', term: TERM, state: base.state, hash: null, start: 0, end: 1e6 },
      [],
      5_000,
    );
    expect(header.hash).toBe(info.hash);
    student.order({ type: 'coordinator.save', state: base.state });
    expect(costs()).toEqual(NOTHING);
    await train(2, 16, 32, base);
    expect(costs()).toEqual(NOTHING);
  });

  test('a round with another student reads its base out, to go back to', async () => {
    const base = await begin();
    student.train(2, 16, 32, { base, replicas: 2, total: 32 });
    await student.next('worker.trained');
    expect(costs()).toMatchObject({ copies: ['readParameters', 'readSlots', 'readParameters'], scans: 1, hashes: 0 });
  });

  test('in rounds of two the slots stay in the program: only the average is written, and a copy to go back to is read', async () => {
    const pair = [student, await room.engine('student', 2)] as const;
    const [first, second] = pair;
    let base = INITIAL;
    for (let round = 1; round <= 2; round++) {
      costs();
      first.train(round, 32 * round, 32 * round + 16, { base, replicas: 2, total: 32 });
      second.train(round, 32 * round + 16, 32 * round + 32, { base, replicas: 2, total: 32 });
      const reports = await Promise.all(pair.map((each) => each.next('worker.trained')));
      const contributors = pair.map((each, i) => each.contributor(reports[i]?.samples ?? 0));
      if (round === 2)
        expect([...costs().copies].sort()).toEqual(['readParameters', 'readSlots', 'writeParameters'].flatMap((name) => [name, name]));
      for (const each of pair) each.average(round, contributors);
      const averaged = await Promise.all(pair.map((each) => each.next('worker.averaged')));
      const { hash, contained } = present(averaged[0], 'a report');
      base = present(pair.map((each) => each.commit(stateOf(round), contained, hash)).at(-1), 'a base');
    }
  });

  test('is cut short after the step under way: what was trained is committed, and training goes on from there', async () => {
    const base = await begin();
    let steps = 0;
    watched.beforeStep = () => {
      steps += 1;
      if (steps === 2) student.order({ type: 'coordinator.conclude', round: asRoundId(2) });
    };
    student.train(2, 16, 56, { base });
    expect(await student.next('worker.trained')).toMatchObject({ round: 2, samples: 16 });
    watched.beforeStep = () => {};
    const cut = student.commit(stateOf(2), 32);
    const after = await train(3, 32, 56, cut);
    expect(costs()).toEqual(NOTHING);
    expect(await hashOf(student, after)).toBe(await hashInOnePiece());
  });

  test('is cut short before its first step: the base is still there', async () => {
    const base = await begin();
    student.train(2, 16, 56, { base });
    student.order({ type: 'coordinator.conclude', round: asRoundId(2) });
    expect(await student.next('worker.trained')).toMatchObject({ round: 2, samples: 0 });
    const after = await train(3, 16, 56, base);
    expect(costs()).toEqual(NOTHING);
    expect(await hashOf(student, after)).toBe(await hashInOnePiece());
  });
});

async function hashOf(engine: TestEngine, { state }: Base): Promise<string> {
  const client = await room.client(engine);
  return (await client.request({ type: 'state.get', term: TERM, state, hash: null, start: 0, end: 1e6 }, [], 5_000)).header.hash;
}

/** An arena of samples 0 to 16 and 16 to 56, trained in two rounds by another student. */
async function hashInOnePiece(): Promise<string> {
  const other = await room.engine('student', 9);
  other.train(1, 0, 16);
  await other.next('worker.trained');
  const base = other.commit(stateOf(1), 16);
  other.train(2, 16, 56, { base });
  await other.next('worker.trained');
  return hashOf(other, other.commit(stateOf(2), 56));
}
