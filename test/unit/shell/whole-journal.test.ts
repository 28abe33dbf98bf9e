/** A run goes on only where its journal knows of the checkpoints that there are. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunFolder, type RunFolder } from '../../../coordinator/shell/run-folder.js';
import { requireWholeJournal } from '../../../coordinator/shell/whole-journal.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

const recipe = tinyRecipe();
const [stage = ''] = Object.keys(recipe.stages);

/** A run with checkpoints of these rounds, and a journal with these commits; null: without a journal. */
async function runWith(rounds: readonly number[], commits: readonly number[] | null): Promise<RunFolder> {
  const folder = await createRunFolder({ runsFolder: scratchFolder(), recipe, wallMs: 0 });
  for (const round of rounds) mkdirSync(join(folder.checkpoints, stage, String(round), 'model'), { recursive: true });
  const records = [{ type: 'term', term: 1 }, ...(commits ?? []).map((round) => ({ type: 'commit', term: 1, stage, round }))];
  if (commits !== null) writeFileSync(folder.journal, records.map((record) => writeJournalLine(record)).join(''));
  return folder;
}

test('one that had time for neither goes on, and so does one with fewer checkpoints than commits', async () => {
  expect(await requireWholeJournal(await runWith([], null), recipe)).toEqual([]);
  expect(await requireWholeJournal(await runWith([2, 4], [1, 2, 3, 4, 5]), recipe)).toEqual([]);
});

test('without its journal it is refused', async () => {
  const folder = await runWith([2], null);
  await expect(requireWholeJournal(folder, recipe)).rejects.toMatchObject({
    code: 'run.invalid',
    message: expect.stringContaining(`the journal of this run is gone, and there are checkpoints of ${stage}. Put the file back`),
    details: { file: folder.journal },
  });
});

test('with a journal that was cut before checkpoints it is refused, and they are named', async () => {
  const folder = await runWith([2, 4, 10], [1, 2, 3]);
  await expect(requireWholeJournal(folder, recipe)).rejects.toMatchObject({
    code: 'run.invalid',
    message: `${folder.journal}: the last lines of the journal are missing: there are checkpoints of rounds 4, 10 of ${stage}, and it ends before them. Put the whole file back. Without it, the run goes on from its last line once these folders are moved away: checkpoints/${stage}/4, checkpoints/${stage}/10`,
  });
});

test('the newest checkpoint alone can be ahead of the journal after a power cut: that is said', async () => {
  expect(await requireWholeJournal(await runWith([2, 4], [1, 2, 3]), recipe)).toEqual([
    `the journal ends before the checkpoint of round 4 of ${stage}: the run goes on from the one before it, and does the rest again`,
  ]);
  const emptied = await runWith([4], []);
  writeFileSync(emptied.journal, '');
  await expect(requireWholeJournal(emptied, recipe)).rejects.toThrow(`there are checkpoints of round 4 of ${stage}`);
});
