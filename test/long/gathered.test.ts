/** Students in processes of their own that learn from relations of their gathered batch: they learn as one student does, and processes may be killed. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { auditRun } from '../support/audit.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { type SmallRecipeOptions, smallRecipe } from '../support/small-recipe.js';
import { startCoordinator, startWorker } from '../support/start-run.js';

const room = useRunRoom();

const SHARED = { every: 1, batch: { global: 16 }, optimizer: { name: 'sgd', rate: 0.03, momentum: 0.9 } };

function gatheredRecipe(options: SmallRecipeOptions): object {
  const { stages, ...recipe } = smallRecipe(options) as { stages: Record<string, object> };
  const loss = { terms: [{ loss: 'hinton' }, { loss: 'rkd', weight: 0.1, taps: [['conv2', 'flatten']], batch: 'gathered' }] };
  const gathered = {
    teacher: { ...stages.teacher, ...SHARED },
    student: { ...stages.student, ...SHARED, loss },
    out: { kind: 'export', of: 'student' },
  };
  return { ...recipe, stages: gathered };
}

const begin = (recipe: object) => room.start('run', room.recipe(recipe), '--out', room.runs, '--json', '--force');

/** The exported parameters of a run with so many students. */
async function exported(students: number): Promise<Float32Array> {
  const cli = begin(gatheredRecipe({ engine: 'cpu', students, images: 64, testImages: 50, studentEpochs: 2 }));
  expect(await cli.exit(), cli.stderr).toBe(0);
  const run = join(room.runs, cli.linesOf('run-started')[0]?.run ?? '');
  expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
  const bytes = readFileSync(join(run, 'export', 'student', 'weights.bin'));
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

test('a run of two students exports what a run of one does', async () => {
  const [two, one] = [await exported(2), await exported(1)];
  const apart = two.reduce((most, value, i) => Math.max(most, Math.abs(value - present(one[i], 'a parameter'))), 0);
  expect(apart).toBeLessThan(1e-5);
});

test('kill -9 of an engine, and then of the coordinator, in mid-stage: the run goes on, and no sample is lost or counted twice', async () => {
  const cli = begin(gatheredRecipe({ studentEpochs: 6 }));
  const run = join(room.runs, (await cli.said('run-started')).run);
  const reached = (share: number) =>
    cli.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > share * samples);
  await reached(0.2);
  process.kill(room.engine('student-2'), 'SIGKILL');
  // It comes back, and the two make steps together again.
  const gone = await cli.said('worker-gone');
  await cli.said('worker-joined', ({ worker, incarnation }) => worker === gone.worker && incarnation !== gone.incarnation);
  await reached(0.6);
  process.kill(room.coordinator(), 'SIGKILL');
  expect(await cli.exit()).toBe(75);
  const resumed = room.start('resume', run, '--json', '--force');
  expect(await resumed.exit(), resumed.stderr).toBe(0);

  expect(await auditRun(run)).toEqual({ teacher: [], student: [] });
  const commits = (await journalOf(run, 'commit')).filter(({ stage }) => stage === 'student');
  const pairs = new Set(
    commits.filter(({ contributors }) => contributors.length === 2).map((commit) => `${commit.term}: ${commit.contributors}`),
  );
  expect(pairs.size, 'before the first kill, after it, and after the second').toBeGreaterThanOrEqual(3);
});

test('a student that nobody reaches any more is sent away, though every round is over before it counts as silent; the other one goes on', async () => {
  const { stages, ...rest } = smallRecipe({ teacherEpochs: 6 }) as { stages: Record<string, object> };
  const module = fileURLToPath(new URL('../support/mean-loss.mjs', import.meta.url));
  const loss = { labels: { weight: 1 }, terms: [{ module, weight: 0.1, batch: 'gathered' }] };
  const { coordinator, endpoint, run } = await startCoordinator(room, {
    ...rest,
    stages: { base: { ...stages.teacher, ...SHARED, loss } },
  });
  const left = startWorker(room, endpoint, 'student-left');
  const env = { NODE_OPTIONS: `--import ${new URL('../support/process/cut-port.mjs', import.meta.url).href}` };
  const cut = room.startWith({ env, waitMs: 240_000 }, 'worker', '--role', 'student', '--coordinator', endpoint, '--name', 'student-cut');
  await coordinator.said('progress', ({ committed, samples }) => committed > 0.2 * samples);
  process.kill(room.engine('student-cut'), 'SIGUSR2');
  expect(await cut.exit()).toBe(1);
  expect(cut.stderr).toMatch(/other students cannot reach it at tcp:.* Give it the address that they can reach with --listen-host/);
  for (const each of [coordinator, left]) expect(await each.exit(), each.stderr).toBe(0);
  expect(await auditRun(run)).toEqual({ base: [] });
  const counts = (await journalOf(run, 'commit')).map(({ contributors }) => contributors.length);
  expect([counts.at(0), counts.at(-1)]).toEqual([2, 1]);
});
