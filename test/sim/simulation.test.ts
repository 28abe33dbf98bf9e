import { describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { placeOf } from '../../src/checkpoint/place.js';
import { spellPeer, trainedPeers } from '../../src/config/peer.js';
import { subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';
import { SAMPLES, type SimulationOptions, type SimulationResult, simulate } from './simulation.js';

const SEEDS = Number(process.env.STILLHOUSE_SIM_SEEDS ?? 200);
/** A run of a cohort has up to 33 students, and takes ten times as long. */
const COHORT_SEEDS = Math.ceil(SEEDS / 5);
const FIRST = Number(process.env.STILLHOUSE_SIM_FIRST ?? 1);
const CALM = { lose: 0, repeat: 0, delay: 0, reorder: 0 };
const ROUGH = { lose: 0.01, repeat: 0.02, delay: 0.01, reorder: 0.02 };

/** The samples that a stage has skipped, by the journal. */
function skippedIn({ disk }: SimulationResult, stage: string): Range[] {
  return disk.records.flatMap((record) => (record.type === 'skip' && record.stage === stage ? record.ranges : []));
}

/**
 * Every sample of every epoch is in the final parameters of each model, once, by what the checkpoints carry; but for those that were
 * skipped, which are in none.
 */
function audit(result: SimulationResult, seed: number, exported = 'taught'): void {
  const story = `seed ${seed} after ${result.seconds} s\n${result.faults.join('\n')}`;
  expect(result.end, story).toEqual({ outcome: 'done', message: 'all stages are done' });
  const trained = trainedPeers(result.plan.recipe).map(({ name }) => name);
  for (const { stage, peer } of trained) {
    const done = result.disk.records.filter((record) => record.type === 'stage-done' && record.result.stage === stage);
    expect(done, story).toHaveLength(1);
    const record = present(done[0], 'the stage');
    const round = record.type === 'stage-done' ? (record.result.checkpoint?.round ?? 0) : 0;
    const place = placeOf({ stage, round, peer });
    const checkpoint = present(result.disk.checkpoints.get(place), `the checkpoint ${place} (${story})`);
    expect(checkpoint.ranges, story).toEqual(subtractRanges([{ start: 0, end: SAMPLES }], skippedIn(result, stage)));
  }
  auditBest(result, story);
  expect([...result.disk.exported], story).toEqual([exported]);
}

/** The best epoch of each model that a result names is on disk, unless a fault has damaged a checkpoint. */
function auditBest({ disk, faults, plan }: SimulationResult, story: string): void {
  if (faults.some((fault) => fault.includes('damage'))) return;
  for (const record of disk.records) {
    if (record.type !== 'stage-done') continue;
    const { stage, best } = record.result;
    for (const { name } of trainedPeers(plan.recipe).filter((model) => model.name.stage === stage)) {
      const { round, hash } = present(best[name.peer], `the best of ${spellPeer(name)} (${story})`);
      expect(disk.checkpoints.get(placeOf({ ...name, round }))?.hash, story).toBe(hash);
    }
  }
}

/** The checkpoints that the run went back to, and the final ones, are of all peers: no peer is committed without the others. */
function auditPeers({ disk, plan }: SimulationResult, story: string): void {
  const peers = trainedPeers(plan.recipe).map(({ name }) => name.peer);
  for (const record of disk.records) {
    if (record.type === 'commit' || record.type === 'checkpoint') expect(Object.keys(record.hashes), story).toEqual(peers);
  }
}

/** No term commits after a later one has begun. */
function auditTerms(result: SimulationResult): void {
  const terms = result.disk.records.map(({ term }) => term);
  expect(terms).toEqual([...terms].sort((a, b) => a - b));
}

/** Plays 40 seeds of runs of this shape with a fault every 400 ms: no stage goes back. */
function expectNothingLost(
  shapeOf: (seed: number) => Pick<SimulationOptions, 'students' | 'teachers' | 'cohort' | 'among'>,
  exported?: string,
): void {
  let faults = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const result = simulate({ seed, ...shapeOf(seed), faultEveryMs: 400, calmAfterMs: 60_000, wire: CALM });
    audit(result, seed, exported);
    faults += result.faults.length;
    expect(
      result.disk.records.filter(({ type }) => type === 'rollback'),
      `seed ${seed}`,
    ).toEqual([]);
  }
  expect(faults).toBeGreaterThan(40);
}

describe('simulated runs', () => {
  test('without faults', () => {
    const result = simulate({ seed: 1, students: 2, teachers: 1, faultEveryMs: Number.POSITIVE_INFINITY, calmAfterMs: 0, wire: CALM });
    audit(result, 1);
    expect(result.disk.records.filter(({ type }) => type === 'rollback')).toEqual([]);
  });

  test('the same seed plays the same run', () => {
    const play = () => simulate({ seed: 7, students: 3, teachers: 2, faultEveryMs: 300, calmAfterMs: 60_000, wire: ROUGH });
    expect(play()).toEqual(play());
  });

  test(`${SEEDS} seeds of crashes, cuts, drains and restarts, from ${FIRST}`, { timeout: 300_000 }, () => {
    const kinds = new Set<string>();
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const students = 1 + (seed % 4);
      const teachers = 1 + (seed % 2);
      const faultEveryMs = [200, 1000, 5000][seed % 3] ?? 200;
      const result = simulate({ seed, students, teachers, faultEveryMs, calmAfterMs: 60_000, wire: seed % 5 === 0 ? CALM : ROUGH });
      audit(result, seed);
      auditTerms(result);
      for (const { type } of result.disk.records) kinds.add(type);
    }
    expect(kinds).toContain('rollback');
  });

  test('a student that is alone loses nothing by stops and drains: what it has trained is committed and saved', () => {
    expectNothingLost(() => ({ students: 1, teachers: 1, among: ['stop', 'leave'] }));
  });

  test(`${COHORT_SEEDS} seeds of faults with 2 to 8 peers and 1 to 4 replicas, from ${FIRST}`, { timeout: 300_000 }, () => {
    for (let seed = FIRST; seed < FIRST + COHORT_SEEDS; seed++) {
      const cohort = { peers: 2 + (seed % 7), replicas: 1 + (seed % 4) };
      const students = cohort.peers * cohort.replicas + (seed % 2);
      const faultEveryMs = [200, 1000, 5000][seed % 3] ?? 200;
      const wire = seed % 5 === 0 ? CALM : ROUGH;
      const result = simulate({ seed, cohort, students, teachers: 0, faultEveryMs, calmAfterMs: 60_000, wire });
      audit(result, seed, 'base.p0');
      auditTerms(result);
      auditPeers(result, `seed ${seed}`);
    }
  });

  test(`${COHORT_SEEDS} seeds of faults with 1 to 5 students whose loss is over their gathered batch, from ${FIRST}`, {
    timeout: 300_000,
  }, () => {
    for (let seed = FIRST; seed < FIRST + COHORT_SEEDS; seed++) {
      const faultEveryMs = [200, 1000, 5000][seed % 3] ?? 200;
      const shape = { students: 1 + (seed % 5), teachers: 0, isGathered: true, wire: seed % 5 === 0 ? CALM : ROUGH };
      const result = simulate({ seed, ...shape, faultEveryMs, calmAfterMs: 60_000 });
      audit(result, seed, 'base');
      auditTerms(result);
    }
  });

  test('a column that is alone loses nothing by stops: it ends with the same step in every cell', () => {
    const shapeOf = (seed: number) => {
      const cohort = { peers: 2 + (seed % 3), replicas: 1 };
      return { cohort, students: cohort.peers, teachers: 0, among: ['stop'] } as const;
    };
    expectNothingLost(shapeOf, 'base.p0');
  });

  describe('steps that are not finite', () => {
    /** Single positions of one peer of each stage, too far apart to be in a row. */
    const rare = (seed: number) => [20, 75, 130].map((position) => position + (seed % 7));

    test('one at a time: its samples are skipped, for all peers, and all others are trained once', () => {
      for (let seed = FIRST; seed < FIRST + COHORT_SEEDS; seed++) {
        const cohort = seed % 2 === 0 ? { peers: 2 + (seed % 3), replicas: 1 + (seed % 4) } : null;
        const shape =
          cohort === null ? { students: 1 + (seed % 4), teachers: 1 } : { cohort, students: cohort.peers * cohort.replicas, teachers: 0 };
        const how = seed % 4 < 2 ? 'loss' : 'parameters';
        const isBad: SimulationOptions['isBad'] = ({ peer }, position) => (peer !== 'p0' && rare(seed).includes(position) ? how : null);
        const faultEveryMs = [1000, 5000, Number.POSITIVE_INFINITY][seed % 3] ?? 1000;
        const result = simulate({ seed, ...shape, faultEveryMs, calmAfterMs: 60_000, wire: seed % 5 === 0 ? CALM : ROUGH, isBad });
        audit(result, seed, cohort === null ? 'taught' : 'base.p0');
        const skipped = skippedIn(result, 'base');
        // Parameters are looked at after the last step of a round: a step in its middle may pass.
        for (const position of how === 'loss' ? rare(seed) : []) {
          expect(
            skipped.some(({ start, end }) => start <= position && position < end),
            `seed ${seed}, position ${position}`,
          ).toBe(true);
        }
        expect(totalOf(skipped), `seed ${seed}`).toBeLessThanOrEqual(6);
      }
    });

    test('of students whose loss is over their gathered batch: the whole step is skipped, whoever says so first', () => {
      for (let seed = FIRST; seed < FIRST + COHORT_SEEDS; seed++) {
        const isBad: SimulationOptions['isBad'] = (_, position) => (rare(seed).includes(position) ? 'loss' : null);
        const shape = { students: 2 + (seed % 4), teachers: 0, isGathered: true, wire: CALM };
        const result = simulate({ seed, ...shape, faultEveryMs: Number.POSITIVE_INFINITY, calmAfterMs: 60_000, isBad });
        audit(result, seed, 'base');
        const skips = result.disk.records.filter(({ type }) => type === 'skip');
        expect(skips.length, `seed ${seed}`).toBe(rare(seed).length);
        expect(
          result.disk.records.filter(({ type }) => type === 'rollback'),
          `seed ${seed}`,
        ).toEqual([]);
      }
    });

    test.each([1, 2])(
      'all of them, from some sample on, with %i replicas: the stage goes back once, and the run ends with the culprit',
      (replicas) => {
        const cohort = { peers: 2, replicas };
        const isBad: SimulationOptions['isBad'] = ({ peer }, position) => (peer === 'p1' && position >= 100 ? 'loss' : null);
        const options = {
          cohort,
          students: 2 * replicas,
          teachers: 0,
          faultEveryMs: Number.POSITIVE_INFINITY,
          calmAfterMs: 0,
          wire: CALM,
          isBad,
        };
        const { end, disk } = simulate({ seed: 3, ...options });
        expect(end?.outcome).toBe('failed');
        expect(end?.message).toMatch(/^worker student-\d, base\.p1: a simulated NaN \(3 steps in a row were not finite, also after/);
        const skips = disk.records.filter(({ type }) => type === 'skip');
        expect(skips).toHaveLength(6);
        expect(disk.records.filter(({ type }) => type === 'rollback').length).toBeGreaterThan(0);
      },
    );
  });
});
