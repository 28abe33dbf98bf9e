/** Runs of several students of each model that are stopped and go on: to the bits of one that was not, or at least whole. */

import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Recipe } from '../../src/config/schema.js';
import { auditRun, finalHashes } from '../support/audit.js';
import type { RunProcess } from '../support/run-process.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe, smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

/** Two students, each with the state of an optimiser of its own, and a checkpoint after every second round. */
const { stages, ...REST } = smallRecipe({ engine: 'cpu', images: 128, teacherEpochs: 8 }) as Recipe;
const PAIR = { ...REST, stages: { teacher: { ...stages.teacher, checkpointEvery: 2 } } };

async function startRun(recipe: object): Promise<{ cli: RunProcess; run: string }> {
  const cli = room.start('run', room.recipe(recipe), '--out', room.runs, '--json');
  const { run } = await cli.said('run-started');
  return { cli, run: join(room.runs, run) };
}

/** Until so much of the stage is committed. */
function reached(cli: RunProcess, stage: string, share: number): Promise<unknown> {
  return cli.said('progress', (line) => line.stage === stage && line.committed > share * line.samples);
}

test('of two students, by Ctrl-C and by kill -9: the same weights, bit for bit, as without', async () => {
  const undisturbed = await startRun(PAIR);
  expect(await undisturbed.cli.exit()).toBe(0);

  const { cli, run } = await startRun(PAIR);
  await reached(cli, 'teacher', 0.3);
  cli.interrupt();
  expect(await cli.exit()).toBe(130);
  const second = room.start('resume', run, '--json');
  await reached(second, 'teacher', 0.7);
  process.kill(room.coordinator(), 'SIGKILL');
  expect(await second.exit()).toBe(75);

  const third = room.start('resume', run, '--json');
  expect(await third.exit()).toBe(0);
  const commits = [...(await journalOf(run, 'commit')), ...(await journalOf(undisturbed.run, 'commit'))];
  expect(new Set(commits.map(({ contributors }) => contributors.length)), 'both students took part in every round').toEqual(new Set([2]));
  expect(await auditRun(run)).toEqual({ teacher: [] });
  expect(await finalHashes(run)).toEqual(await finalHashes(undisturbed.run));
});

test('after Ctrl-C with two students of each peer: no engine ends with the step, and the run goes on later', async () => {
  const { cli, run } = await startRun(mutualRecipe({ replicas: 2 }));
  await reached(cli, 'pair', 0.2);
  cli.interrupt();
  expect(await cli.exit()).toBe(130);
  expect(cli.lines().filter(({ type }) => type === 'worker-gone')).toEqual([]);
  const resumed = room.start('resume', run, '--json');
  await resumed.said('progress', ({ committed, samples }) => committed > 0.2 * samples);
  expect(await resumed.exit()).toBe(0);
  expect(await auditRun(run)).toEqual({ 'pair.big': [], 'pair.small': [] });
});
