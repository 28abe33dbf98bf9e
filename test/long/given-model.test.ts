/** A trained model is the input of another run: by its run and by an exported file, as a teacher and to begin with. */

import { readdirSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Recipe } from '../../src/config/schema.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

test('a model of another run teaches, an exported one is trained further; then their source may go', async () => {
  const { stages, workers, ...rest } = smallRecipe({ students: 1, images: 64 }) as Recipe;
  const own = { ...stages.teacher, epochs: 1, test: 'test' };
  const first = room.start(
    'run',
    room.recipe({ ...rest, stages: { base: own }, workers: { ...workers, teachers: 0 } }),
    '--out',
    room.runs,
    '--json',
  );
  const source = join(room.runs, (await first.said('run-started')).run);
  expect(await first.exit()).toBe(0);
  const file = join(room.runs, 'exported');
  expect(await room.start('export', source, '--out', file, '--best').exit()).toBe(0);

  const next = {
    ...rest,
    stages: {
      student: { ...stages.student, epochs: 400, teacher: { run: source, stage: 'base', epoch: 'best' }, checkpointEvery: 2 },
      tuned: { ...own, init: { file } },
    },
    workers,
  };
  const temporary = join(room.folder, 'tmp');
  await mkdir(temporary);
  const args = ['run', room.recipe(next), '--out', room.runs, '--json', '--set', 'stages.student.epochs=4'];
  const second = room.startWith({ env: { TMPDIR: temporary } }, ...args);
  const given = () => readdirSync(temporary).filter((name) => name.startsWith('stillhouse-given-'));
  const run = join(room.runs, (await second.said('run-started')).run);
  // The coordinator has taken the models before a stage begins: they are in no other place from then on.
  await second.said('stage-done');
  expect(given()).toEqual([]);
  expect(await second.exit(), second.stderr).toBe(0);
  const { accuracy, models } = summaryOf(run);
  const before = summaryOf(source).accuracy.base;
  // The same parameters on the same images: the very same accuracy.
  expect(accuracy['student-teacher']?.last).toBe(before?.best);
  expect(accuracy['tuned-init']?.last).toBe(before?.best);
  const [trained] = Object.values(summaryOf(source).models);
  for (const stage of ['student-teacher', 'tuned-init']) expect(models[`stage ${stage}`]?.parameters, stage).toBe(trained?.parameters ?? 0);
  expect(Object.keys(accuracy).sort()).toEqual(['student', 'student-teacher', 'tuned', 'tuned-init']);

  // The run has its own copy: it goes on without the source. A stage that is added takes its model now.
  await rename(source, `${source}-gone`);
  await rename(file, `${file}-gone`);
  const added = `stages.added=${JSON.stringify({ kind: 'load', from: { file: `${file}-gone` }, test: 'test' })}`;
  const more = room.start('resume', run, '--json', '--set', added);
  expect(await more.exit(), more.stderr).toBe(0);
  expect(summaryOf(run).accuracy.added?.last).toBe(before?.best);
});
