import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readChosenCheckpoint } from '../../../src/checkpoint/chosen-checkpoint.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { scratchFolder } from '../shell/scratch-folder.js';
import { contentOf } from './content.js';

const name = { stage: 'base', peer: 'model' };
const evaluation = (round: number, epoch: number, accuracy: number) =>
  writeJournalLine({ type: 'evaluation', term: 1, stage: 'base', evaluation: { peer: 'model', round, epoch, accuracy } });

async function runOf(rounds: readonly number[], journal: string) {
  const folder = scratchFolder();
  const store = await openCheckpointStore(join(folder, 'checkpoints'));
  for (const round of rounds) await store.put(contentOf(round));
  writeFileSync(join(folder, 'journal'), journal);
  return folder;
}

const stored = (round: number) => writeJournalLine({ type: 'checkpoint', term: 1, stage: 'base', round });

test('the last, the best and that of a round, each with its own test', async () => {
  const folder = await runOf([2, 4, 6], [evaluation(2, 1, 0.9), stored(2), evaluation(4, 2, 0.5), stored(4), stored(6)].join(''));
  const chosen = async (which: 'last' | 'best' | number) => {
    const { content, tested, doubt } = await readChosenCheckpoint(folder, { name, isGiven: false, which });
    return [content.info.state.round, tested?.accuracy ?? null, doubt];
  };
  expect(await chosen('last')).toEqual([6, null, null]);
  expect(await chosen('best')).toEqual([2, 0.9, null]);
  expect(await chosen(4)).toEqual([4, 0.5, null]);
});

test('the one checkpoint of a model from outside is the best and the last, and no record of the journal tells of it', async () => {
  const folder = await runOf([1], evaluation(1, 0, 0.7));
  for (const which of ['best', 'last'] as const) {
    const { content, tested } = await readChosenCheckpoint(folder, { name, isGiven: true, which });
    expect([content.info.state.round, tested?.accuracy]).toEqual([1, 0.7]);
  }
  const untested = await readChosenCheckpoint(await runOf([1], ''), { name, isGiven: true, which: 'best' });
  expect([untested.content.info.state.round, untested.tested]).toEqual([1, null]);
});

test('a damaged journal is a doubt about the last, and an error where it says which is the best', async () => {
  const folder = await runOf([2], stored(2));
  appendFileSync(join(folder, 'journal'), 'x\n');
  const { tested, doubt } = await readChosenCheckpoint(folder, { name, isGiven: false, which: 'last' });
  expect([tested, doubt]).toEqual([null, expect.stringMatching(/this line of the journal is damaged/)]);
  await expect(readChosenCheckpoint(folder, { name, isGiven: false, which: 'best' })).rejects.toMatchObject({ code: 'run.invalid' });
});

test('a journal that ends before a checkpoint is a doubt about it, and about which is the best', async () => {
  const folder = await runOf([2, 4], [evaluation(2, 1, 0.9), stored(2)].join(''));
  const ends = `${join(folder, 'journal')}: the last lines are missing: there are checkpoints of round 4 of base, and it ends before them`;
  const last = await readChosenCheckpoint(folder, { name, isGiven: false, which: 'last' });
  expect([last.content.info.state.round, last.tested, last.doubt]).toEqual([4, null, ends]);
  const best = await readChosenCheckpoint(folder, { name, isGiven: false, which: 'best' });
  expect([best.content.info.state.round, best.tested?.accuracy, best.doubt]).toEqual([2, 0.9, ends]);
  expect(await readChosenCheckpoint(folder, { name, isGiven: false, which: 2 })).toMatchObject({ tested: { epoch: 1 }, doubt: null });
});

test('without its journal it is not known what was tested, and which is the best', async () => {
  const folder = await runOf([2], '');
  rmSync(join(folder, 'journal'));
  const { doubt } = await readChosenCheckpoint(folder, { name, isGiven: false, which: 'last' });
  expect(doubt).toContain(`${join(folder, 'journal')}: the journal of this run is gone`);
  await expect(readChosenCheckpoint(folder, { name, isGiven: false, which: 'best' })).rejects.toThrow('the journal of this run is gone');
});

test('a journal that was cut before every test is the reason why no best is known', async () => {
  const folder = await runOf([2, 4], '');
  await expect(readChosenCheckpoint(folder, { name, isGiven: false, which: 'best' })).rejects.toMatchObject({
    code: 'run.invalid',
    message: `nothing tells which epoch of base is the best: ${join(folder, 'journal')}: the last lines are missing: there are checkpoints of rounds 2, 4 of base, and it ends before them. Put the whole file back. The last epoch can be taken without it, or one by --round`,
  });
});

test('there is no best before a test', async () => {
  const choice = { name, isGiven: false, which: 'best' } as const;
  await expect(readChosenCheckpoint(await runOf([2], stored(2)), choice)).rejects.toThrow(/no checkpoint of base has been tested yet/);
});

test('the last says that it is not the one which the stage ends with', async () => {
  const done = (round: number) =>
    writeJournalLine({ type: 'stage-done', term: 1, result: { stage: 'base', checkpoint: { round, hashes: {} } } });
  const lagOf = async (journal: string, which: 'last' | number = 'last') =>
    (await readChosenCheckpoint(await runOf([2], journal), { name, isGiven: false, which })).lag;
  expect(await lagOf(stored(2))).toMatch(/has not finished its stage base: its newest whole checkpoint is taken, of round 2$/);
  expect(await lagOf(stored(2) + done(4))).toMatch(/ended its stage base in round 4, and has no whole checkpoint of it: .* of round 2$/);
  expect(await lagOf(stored(2) + done(2))).toBeNull();
  expect(await lagOf(stored(2) + done(4), 2)).toBeNull();
});
