/** A run on a folder of JPEG files: a teacher and a student, decoded while they are read; and one that meets a broken file. */

import { readdirSync, readFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeFashionFolder } from '../support/image-folder.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

test('a student learns from a teacher; a file that is broken ends a run with its name', async () => {
  const folder = join(room.folder, 'images');
  await writeFashionFolder(folder, { train: 320, val: 100, size: 64 });
  const normalise = { mean: [0.3, 0.3, 0.3], std: [0.35, 0.35, 0.35] };
  const stage = {
    ...{ kind: 'train', model: 'small', on: 'train', test: 'val', epochs: 2, batch: 16, evaluateEvery: 2 },
    optimizer: { name: 'adam', rate: 0.003 },
    augment: { flip: true, resizedCrop: { scale: [0.6, 1] } },
  };
  const recipe = room.recipe({
    name: 'folder',
    data: {
      ...{ format: 'folder', path: folder, image: { size: 28, resize: 30 }, normalise },
      splits: { train: { part: 'train' }, val: { part: 'val' } },
    },
    models: { small: { name: 'cnn-student' } },
    stages: {
      teacher: stage,
      student: { ...stage, kind: 'distil', teacher: 'teacher', loss: { temperature: 4, alpha: 0.9 } },
      out: { kind: 'export', of: 'student' },
    },
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
