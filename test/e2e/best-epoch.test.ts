/** A run whose best epoch is not its last: the best is kept, tested, exported without data and module, and its damage is named. */

import { appendFileSync, copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { present } from '../../src/base/assert.js';
import { writeIdx } from '../support/data-files.js';
import { journalOf, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

/** Images without meaning: what a model learns of them says nothing of others, and its accuracy goes up and down. */
function recipe(): object {
  copyFileSync(fileURLToPath(new URL('../unit/nn/module/good.mjs', import.meta.url)), join(room.folder, 'own.mjs'));
  return {
    name: 'noise',
    seed: 3,
    data: {
      format: 'idx',
      path: './d',
      normalise: { mean: [0.5], std: [0.3] },
      splits: { train: { part: 'train' }, test: { part: 'test' } },
    },
    models: { own: { module: './own.mjs', options: { filters: 4 } } },
    stages: {
      s: {
        ...{ kind: 'train', model: 'own', on: 'train', test: 'test', epochs: 8, batch: 16, evaluateEvery: 1 },
        ...{ optimizer: { name: 'adam', rate: 0.03 } },
      },
      again: { kind: 'evaluate', of: { stage: 's', epoch: 'best' }, test: 'test' },
      out: { kind: 'export', of: { stage: 's', epoch: 'best' } },
    },
    workers: { students: 1, teachers: 0, engine: 'wasm', threads: 1 },
  };
}

test('it is kept and can be used', async () => {
  await writeIdx(join(room.folder, 'd'));
  const cli = room.start('run', room.recipe(recipe()), '--out', room.runs, '--json');
  const { run: name } = await cli.said('run-started');
  expect(await cli.exit()).toBe(0);
  const run = join(room.runs, name);
  const evaluations = (await journalOf(run, 'evaluation')).filter(({ stage }) => stage === 's').map(({ evaluation }) => evaluation);
  const best = present(
    evaluations.reduce((a, b) => (b.accuracy > a.accuracy ? b : a)),
    'an evaluation',
  );
  expect(best.epoch).toBeLessThan(8);
  expect(summaryOf(run).accuracy.again).toEqual({ last: best.accuracy, best: best.accuracy, epoch: best.epoch });

  for (const gone of ['d', 'own.mjs', 'recipe.yaml']) rmSync(join(room.folder, gone), { recursive: true, force: true });
  const exporting = async (out: string, ...options: readonly string[]) => {
    const process = room.start('export', run, '--json', '--out', join(room.folder, out), ...options);
    return { code: await process.exit(), process };
  };
  const { code, process } = await exporting('best', '--best');
  expect(code, process.stderr).toBe(0);
  expect(process.linesOf('export')).toMatchObject([{ stage: 's', round: best.round, epoch: best.epoch, accuracy: best.accuracy }]);
  for (const file of ['model.json', 'weights.bin']) {
    expect(readFileSync(join(room.folder, 'best', file)).equals(readFileSync(join(run, 'export/s', file))), file).toBe(true);
  }
  expect((await exporting('last')).process.linesOf('export')).toMatchObject([{ epoch: 8, accuracy: evaluations.at(-1)?.accuracy }]);

  const ended = join(run, 'checkpoints/s', String(evaluations.at(-1)?.round));
  renameSync(ended, join(run, 'aside'));
  const older = await exporting('older');
  expect(older.code).toBe(0);
  expect(older.process.stderr).toMatch(
    /ended its stage s in round \d+, and has no whole checkpoint of it: its newest whole checkpoint is taken, of round \d+/,
  );
  renameSync(join(run, 'aside'), ended);

  const basis = readFileSync(join(run, 'basis.json'));
  writeFileSync(join(run, 'basis.json'), basis.subarray(0, 99));
  const unsaid = await exporting('unsaid', '--best');
  expect(unsaid.code).toBe(0);
  expect(unsaid.process.stderr).toContain('the model does not say on which images it was trained');
  writeFileSync(join(run, 'basis.json'), basis);

  const both = await exporting('no', '--best', '--round', '999');
  expect(both.code).toBe(2);
  const missing = await exporting('no', '--round', '999');
  expect(missing.code).toBe(2);
  expect(missing.process.stderr).toMatch(/there is no checkpoint s\/999\/model; there are those of the rounds \d+(, \d+)+/);
  appendFileSync(join(run, 'checkpoints/s', String(best.round), 'model/topology.json'), 'x');
  const damaged = await exporting('no', '--best');
  expect(damaged.code).toBe(1);
  expect(damaged.process.stderr).toContain(`the best of s (epoch ${best.epoch}, round ${best.round}`);
  expect(damaged.process.stderr).toContain('topology.json: has');
});
