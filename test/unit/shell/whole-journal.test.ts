/** A run goes on only where its journal knows of the checkpoints that there are. */

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRunFolder, type RunFolder } from '../../../coordinator/shell/run-folder.js';
import { requireWholeJournal } from '../../../coordinator/shell/whole-journal.js';
import { readJournalFile } from '../../../src/checkpoint/journal-file.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { contentOf, stateOf } from '../checkpoint/content.js';
import { tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

const recipe = tinyRecipe();
const [stage = ''] = Object.keys(recipe.stages);

/** A run with checkpoints of these rounds, and a journal with these commits; null: without a journal. */
async function runWith(rounds: readonly number[], commits: readonly number[] | null): Promise<RunFolder> {
  const folder = await createRunFolder({ runsFolder: scratchFolder(), recipe, wallMs: 0 });
  const store = await openCheckpointStore(folder.checkpoints);
  for (const round of rounds) await store.put(contentOf(round, { state: stateOf(round, stage) }));
  const commitOf = (round: number) => ({ type: 'commit', term: 1, stage, round, hashes: { model: contentOf(round).info.hash } });
  const records = [{ type: 'term', term: 1 }, ...(commits ?? []).map(commitOf)];
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
    message: `${folder.journal}: the last lines of the journal are missing: there are checkpoints of rounds 4, 10 of ${stage}, and it ends before them. Put the whole file back. Without it, move these folders away: checkpoints/${stage}/4, checkpoints/${stage}/10. The run then goes on from round 2 of ${stage}`,
  });
});

test('where no older checkpoint is left, the error says that the stage begins anew, and how its model is kept', async () => {
  const folder = await runWith([8, 10], [1, 2, 3]);
  await expect(requireWholeJournal(folder, recipe)).rejects.toThrow(
    `move these folders away: checkpoints/${stage}/8, checkpoints/${stage}/10. The run then begins stage ${stage} anew. The model can be exported before that (\`stillhouse export ${folder.path} --stage ${stage} --out FOLDER\`), and given to a new run as { file: model.json }`,
  );
});

test('the error of a damaged line names the checkpoints of later rounds, and the round that is left', async () => {
  const folder = await runWith([2, 4, 10], [1, 2, 3, 4, 5]);
  // A model from outside: no line of the journal tells of it.
  const store = await openCheckpointStore(folder.checkpoints);
  await store.put(contentOf(1, { state: stateOf(1, 'given'), ranges: [] }));
  const damagedFrom = async (line: number) => {
    const lines = readFileSync(folder.journal, 'utf8').split('\n');
    const file = join(folder.path, 'damaged');
    writeFileSync(file, lines.with(line - 1, 'x').join('\n'));
    return readJournalFile(file);
  };
  await expect(damagedFrom(5)).rejects.toThrow(
    `keep its first 4 lines, and move these folders away: checkpoints/${stage}/4, checkpoints/${stage}/10. The run then goes on from round 2 of ${stage}`,
  );
  await expect(damagedFrom(2)).rejects.toThrow(
    new RegExp(
      `keep its first line, and move these folders away: .*/2, .*/4, .*/10. The run then begins stage ${stage} anew. The model can be exported`,
    ),
  );
});

test('the newest checkpoint alone can be ahead of the journal after a power cut: that is said', async () => {
  expect(await requireWholeJournal(await runWith([2, 4], [1, 2, 3]), recipe)).toEqual([
    `the journal ends before the checkpoint of round 4 of ${stage}: the run goes on from round 2, and does the rest again`,
  ]);
});

test.each([
  ['there is none before it', () => runWith([4], [1, 2, 3])],
  ['the one before it is damaged', async () => damaged(await runWith([2, 4], [1, 2, 3]), 2)],
  ['the journal is empty', async () => emptied(await runWith([4], []))],
])('the newest checkpoint alone is ahead of the journal, and %s: it is refused, as the stage would begin anew', async (_, make) => {
  const folder = await make();
  await expect(requireWholeJournal(folder, recipe)).rejects.toMatchObject({
    code: 'run.invalid',
    message: expect.stringMatching(`the last lines of the journal are missing: there are checkpoints of rounds? .*4 of ${stage}`),
  });
});

function damaged(folder: RunFolder, round: number): RunFolder {
  rmSync(join(folder.checkpoints, stage, String(round), 'model', 'parameters.bin'));
  return folder;
}

function emptied(folder: RunFolder): RunFolder {
  writeFileSync(folder.journal, '');
  return folder;
}
