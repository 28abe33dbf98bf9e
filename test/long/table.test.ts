/** A table over seeds, killed in the middle and made by a second call. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Recipe } from '../../src/config/schema.js';
import type { RunProcess } from '../support/run-process.js';
import { journalOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

/** A teacher, the same model alone, with its answers, and with its attention maps. */
function comparedRecipe(): object {
  const { stages, workers, ...rest } = smallRecipe({ students: 1, images: 96, testImages: 100, teacherEpochs: 4 }) as Recipe;
  const taught = { ...stages.student, epochs: 6 };
  return {
    ...rest,
    stages: {
      teacher: stages.teacher,
      alone: { ...stages.teacher, epochs: 6 },
      plain: { ...taught, loss: { temperature: 4, alpha: 0.9 } },
      attention: { ...taught, epochs: 30, loss: { terms: [{ loss: 'attention-transfer', taps: [['conv1', 'conv1']] }] } },
    },
    workers,
  };
}

test('killed in its second run: a second call takes the first run, goes on with the second, and makes the table', async () => {
  const file = room.recipe(comparedRecipe());
  const call = ['table', file, '--seeds', '3,5', '--out', room.runs];
  const first = room.start(...call, '--json');
  await first.said('summary');
  await first.said('run-started', (line) => line !== first.linesOf('run-started')[0]);
  await first.said('progress', (line) => line.stage === 'attention' && first.lines().indexOf(line) > secondStart(first));
  process.kill(room.coordinator(), 'SIGKILL');
  expect(await first.exit()).toBe(75);
  expect(first.stderr).toContain(`the table is not complete: to go on, give the same command again (--out ${room.runs})`);
  expect(first.stdout).toMatch(/^\{"type":"work","stage":"attention".*"bytesFromTeacher":\{"attention":12544\}[,}]/m);
  const runs = readdirSync(room.runs).sort();
  expect(runs).toHaveLength(2);
  const [done = ''] = runs;
  const journal = readFileSync(join(room.runs, done, 'journal'), 'utf8');

  const second = room.start(...call, '--json');
  expect(await second.exit()).toBe(0);
  expect(second.linesOf('run-started')).toHaveLength(1);
  expect(readdirSync(room.runs).sort()).toEqual(runs);
  expect(readFileSync(join(room.runs, done, 'journal'), 'utf8')).toBe(journal);
  expect((await journalOf(join(room.runs, runs[1] ?? ''), 'stage-done')).map(({ result, term }) => [result.stage, term])).toEqual([
    ['teacher', 1],
    ['alone', 1],
    ['plain', 1],
    ['attention', 2],
  ]);

  const table = JSON.parse(second.stdout.trimEnd().split('\n').at(-1) ?? '') as {
    readonly rows: readonly Readonly<Record<string, unknown>>[];
  };
  const accuracyOf = async (run: string, stage: string) =>
    100 *
    ((await journalOf(join(room.runs, run), 'stage-done')).find(({ result }) => result.stage === stage)?.result.tests[0]?.last.accuracy ??
      0);
  const own = await Promise.all(runs.map(async (run) => accuracyOf(run, 'attention')));
  const alone = await Promise.all(runs.map(async (run) => accuracyOf(run, 'alone')));
  expect(table).toMatchObject({ type: 'table', seeds: [3, 5] });
  expect(table.rows.map(({ stage }) => stage)).toEqual(['teacher', 'alone', 'plain', 'attention']);
  expect(table.rows[3]).toMatchObject({
    accuracies: { 3: own[0], 5: own[1] },
    references: { baseline: 'teacher', kd: 'plain' },
    bytesPerStep: 16 * 14 * 14 * 4,
  });

  // All is there: nothing is trained, and other references are taken at once.
  const third = room.start(...call, '--baseline', 'alone');
  expect(await third.exit()).toBe(0);
  const mean = ((own[0] ?? 0) - (alone[0] ?? 0) + (own[1] ?? 0) - (alone[1] ?? 0)) / 2;
  expect(third.stdout).toMatch(/^stage +accuracy +over alone +over plain +speed +a step$/m);
  expect(third.stdout).toMatch(/^attention .* \d\.\d\dx +12\.3 KiB$/m);
  const shown = /^attention +\S+ +([+-][\d.]+)/m.exec(third.stdout)?.[1];
  expect(Math.abs(Number(shown) - mean)).toBeLessThan(0.051);
  expect(third.stderr).toContain('seed 5: done in');

  // A stage that the recipe did not have: it alone is trained, in each run.
  const more = { ...(comparedRecipe() as Recipe) };
  room.recipe({ ...more, stages: { ...more.stages, last: { ...more.stages.alone, epochs: 1 } } });
  const fourth = room.start(...call, '--json');
  expect(await fourth.exit()).toBe(0);
  expect(fourth.linesOf('stage-started').map(({ stage }) => stage)).toEqual(['last', 'last']);
  expect(fourth.stdout).toMatch(/\{"type":"table".*"stage":"attention".*"stage":"last"/);
  expect(readdirSync(room.runs)).toHaveLength(2);

  const other = room.start(...call, '--set', 'stages.plain.epochs=7', '--set', 'workers.teachers=2');
  expect(await other.exit()).toBe(2);
  expect(other.stderr).toMatch(
    /this run is of another recipe: stages\.plain\.epochs was 6, and is 7; workers\.teachers was 1, and is 2\. A table has one recipe/,
  );
});

/** The place among the lines where the second run has started. */
function secondStart(cli: RunProcess): number {
  return cli.lines().findLastIndex(({ type }) => type === 'run-started');
}
