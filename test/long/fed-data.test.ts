/** A run whose workers have no files of the data: it comes from the coordinator, also to an engine that is killed in the middle of that. */

import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderRecipe, writeFashionFolder } from '../support/image-folder.js';
import type { RunProcess } from '../support/run-process.js';
import { journalOf, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

function recipeOn(folder: string): string {
  return room.recipe({ ...folderRecipe(folder, { every: 4 }), name: 'fed', workers: { engine: 'wasm' } });
}

/** A coordinator with a teacher and a student; answers the run's folder and its processes. */
async function startRun(recipe: string, { feed, worker }: { readonly feed: readonly string[]; readonly worker: readonly string[] }) {
  const coordinator = room.start('coordinator', recipe, '--listen', 'tcp://127.0.0.1:*', '--out', room.runs, '--json', '--quick', ...feed);
  const { endpoint, run } = await coordinator.said('listening');
  const start = (role: string): RunProcess => {
    const env = { STILLHOUSE_CACHE: join(room.folder, `cache of ${role}`) };
    return room.startWith({ env }, 'worker', '--role', role, '--coordinator', endpoint, '--name', role, ...worker);
  };
  const [student, teacher] = [start('student'), start('teacher')];
  return { run, coordinator, student, teacher };
}

/** The names of the images that a worker has kept. */
function imagesOf(role: string): string[] {
  const folder = join(room.folder, `cache of ${role}`, 'fed/images');
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((part) => readdirSync(join(folder, part)).filter((name) => !name.startsWith('.')));
}

/** Resolves when the worker has kept this many images. */
async function untilKept(role: string, count: number): Promise<void> {
  const folder = join(room.folder, `cache of ${role}`);
  mkdirSync(folder, { recursive: true });
  const changes = new AbortController();
  await new Promise<void>((resolve) => {
    const look = (): void => (imagesOf(role).length >= count ? resolve() : undefined);
    watch(folder, { recursive: true, signal: changes.signal }, look);
    look();
  });
  changes.abort();
}

test('the run is that of workers with files, and each image came once', async () => {
  const folder = join(room.folder, 'images');
  await writeFashionFolder(folder, { train: 320, val: 100, size: 64 });
  const recipe = recipeOn(folder);
  const withFiles = await startRun(recipe, { feed: [], worker: [] });
  for (const process of [withFiles.coordinator, withFiles.student, withFiles.teacher])
    expect(await process.exit(), process.command).toBe(0);
  expect(imagesOf('student')).toEqual([]);

  const startMs = performance.now();
  const fed = await startRun(recipe, { feed: ['--feed-rate', '0.2'], worker: ['--data', join(room.folder, 'nothing here')] });
  await untilKept('student', 100);
  process.kill(room.engine('student'), 'SIGKILL');
  expect(imagesOf('student').length).toBeLessThan(320);
  for (const process of [fed.coordinator, fed.student, fed.teacher]) expect(await process.exit(), process.stderr).toBe(0);
  console.log(`fed in ${Math.round((performance.now() - startMs) / 1000)} s`);
  expect(fed.student.stderr).toContain('its engine is lost');
  expect(fed.student.stderr).toContain('nothing here: it takes the split train from the coordinator');

  const [expected, found] = [summaryOf(withFiles.run), summaryOf(fed.run)];
  expect(found.accuracy).toEqual(expected.accuracy);
  // Always saying the most frequent class is right for some 15 of 100.
  expect(found.accuracy.student?.last).toBeGreaterThan(0.3);
  const lastHash = async (run: string) => (await journalOf(run, 'checkpoint')).map(({ hashes }) => hashes).at(-1);
  expect(await lastHash(fed.run)).toEqual(await lastHash(withFiles.run));
  // The teacher sees no image of the test.
  expect([imagesOf('student').length, imagesOf('teacher').length]).toEqual([420, 320]);
  const log = readFileSync(join(fed.run, 'log.jsonl'), 'utf8');
  expect(log.match(/feed\.opened/g)).toHaveLength(2);
});
