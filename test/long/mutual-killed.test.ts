/** Mutual learning by real processes that are killed in mid-stage: nothing is lost, and every commit is what one process comes to. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { auditRun, finalHashes } from '../support/audit.js';
import { writeIdx } from '../support/data-files.js';
import { replayStage } from '../support/mutual-replay.js';
import type { RunProcess } from '../support/run-process.js';
import { logged } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe } from '../support/small-recipe.js';
import { startRun } from '../support/start-run.js';

const room = useRunRoom();

function reached(cli: RunProcess, share: number): Promise<unknown> {
  return cli.said('progress', ({ stage, committed, samples }) => stage === 'pair' && committed > share * samples);
}

describe('two students of each peer', () => {
  /** An epoch of 75 images is a round of 32 images for each column, and one of 5 and 6 images. */
  async function recipe(epochs: number): Promise<object> {
    await writeIdx(join(room.folder, 'data'), { train: 75 });
    const splits = { few: { part: 'train' }, test: { part: 'test' } };
    const data = { format: 'idx', path: 'data', normalise: { mean: [0.5], std: [0.25] }, splits };
    return { ...mutualRecipe({ engine: 'cpu', replicas: 2, epochs }), data };
  }

  async function expectReplay(run: string): Promise<void> {
    const { commits, hashes } = await replayStage(run, 'pair');
    for (const [i, commit] of commits.entries()) {
      // A commit of one column has no hash.
      if (commit.contributors.length > 2) expect(commit.hashes, `round ${commit.round}`).toEqual(hashes[i]);
    }
    const { big, small } = hashes.at(-1)!;
    expect(await finalHashes(run)).toEqual({ 'pair.big': big, 'pair.small': small });
    const shared = commits.filter(({ contributors }) => contributors.length === 4);
    expect(shared.length, 'commits of two columns').toBeGreaterThan(2);
  }

  test('every commit, and the last checkpoint, is what one process comes to, bit for bit, also after kill -9 of an engine', async () => {
    const { cli, run } = await startRun(room, await recipe(12));
    await reached(cli, 0.2);
    process.kill(room.engine('student-4'), 'SIGKILL');
    expect(await cli.exit(), cli.stderr).toBe(0);
    expect(cli.linesOf('worker-gone')).toHaveLength(1);
    await expectReplay(run);
  });
});

describe('kill -9 in mid-stage', () => {
  /** Kills one after the other while the stage trains. No sample may be lost or counted twice, in either peer. */
  async function expectWhole(replicas: number, killed: readonly (readonly ['engine' | 'agent', string])[]): Promise<void> {
    const { cli, run } = await startRun(room, mutualRecipe({ replicas }));
    for (const [i, [part, worker]] of killed.entries()) {
      await reached(cli, 0.1 + 0.4 * i);
      process.kill(room[part](worker), 'SIGKILL');
    }
    expect(await cli.exit()).toBe(0);
    expect(await auditRun(run)).toEqual({ 'pair.big': [], 'pair.small': [] });
    const types = cli.lines().map((line) => (line.type === 'stage-done' ? `${line.result.stage} done` : line.type));
    const gone = types.slice(0, types.indexOf('pair done')).filter((type) => type === 'worker-gone');
    expect(gone, 'they were killed in mid-stage').toHaveLength(killed.length);
    const others = Array.from({ length: 2 * replicas }, (_, i) => `student-${i + 1}`).filter(
      (name) => !killed.some((one) => one[1] === name),
    );
    const lives = logged(run, 'worker.welcomed').map(({ worker }) => worker);
    expect(lives.filter((name) => others.includes(name as string)).sort(), 'the others kept their processes').toEqual(others);
  }

  test('of an engine, and then of an agent, with one student of each peer', () =>
    expectWhole(1, [
      ['engine', 'student-1'],
      ['agent', 'student-2'],
    ]));

  // An engine of a grid of two columns is killed above.
  test('of an agent, with two students of each peer', () => expectWhole(2, [['agent', 'student-4']]));
});
