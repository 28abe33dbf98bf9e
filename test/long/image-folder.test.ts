/** A run on a folder of JPEG files: a teacher and a student, decoded while they are read; and one that meets a broken file. */

import { readdirSync, readFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderRecipe, writeFashionFolder } from '../support/image-folder.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

test('a student learns from a teacher; a file that is broken ends a run with its name', async () => {
  const folder = join(room.folder, 'images');
  await writeFashionFolder(folder, { train: 320, val: 100, size: 64 });
  const base = folderRecipe(folder);
  const recipe = room.recipe({
    ...base,
    stages: { ...base.stages, out: { kind: 'export', of: 'student' } },
    workers: { students: 1, teachers: 1, engine: 'wasm' },
  });
  const args = ['run', recipe, '--out', room.runs, '--json', '--quick'];
  const first = room.start(...args);
  const run = join(room.runs, (await first.said('run-started')).run);
  expect(await first.exit(), first.stderr).toBe(0);
  // Always saying the most frequent class is right for some 15 of 100.
  expect(summaryOf(run).accuracy.student?.last).toBeGreaterThan(0.3);
  const { userDefinedMetadata } = JSON.parse(readFileSync(join(run, 'export/student/model.json'), 'utf8'));
  expect(userDefinedMetadata.stillhouse.classNames).toEqual(Array.from({ length: 10 }, (_, i) => `class-${i}`));

  const name = readdirSync(join(folder, 'train/class-4'))[5]!;
  const broken = join(folder, 'train/class-4', name);
  await truncate(broken, 500);
  const second = room.start(...args);
  expect(await second.exit()).toBe(2);
  expect(second.stdout + second.stderr).toContain(`${broken}: cut short: it ends in its image data (at byte 500)`);
});
