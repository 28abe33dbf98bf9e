/** A run that is to go on needs the models of its finished stages: the one that is lost is named, with the way out. */

import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { lostModelOf } from '../../../coordinator/shell/finished-models.js';
import { runFolderAt } from '../../../coordinator/shell/run-folder.js';
import { asTerm } from '../../../src/base/ids.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { contentOf } from '../checkpoint/content.js';
import { RECIPE, tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

const { base } = RECIPE.stages;
const hashOf = (round: number) => contentOf(round).info.hash;
const best = { round: 4, epoch: 2, accuracy: 0.9, hash: hashOf(4) };
const DONE: JournalRecord = {
  type: 'stage-done',
  term: asTerm(1),
  result: {
    ...{ stage: 'base', tests: [], checkpoint: { round: 6, hashes: { model: hashOf(6) } }, best: { model: best }, commits: 6, samples: 64 },
    ...{ skipped: 0, waited: {}, late: {}, losses: {}, seconds: 1 },
  },
};

/** A run whose stage `base` is done, with checkpoints of the rounds 2, 4 (the best) and 6 (the last), and with this second stage. */
async function runWith(next: object) {
  const folder = runFolderAt(scratchFolder());
  const store = await openCheckpointStore(folder.checkpoints);
  for (const round of [2, 4, 6]) await store.put(contentOf(round));
  const recipe = tinyRecipe({ stages: { base, next } });
  const place = (round: number) => join(folder.checkpoints, 'base', String(round), 'model');
  return {
    path: folder.path,
    place,
    gone: (round: number) => rmSync(join(folder.checkpoints, 'base', String(round)), { recursive: true }),
    damaged: (round: number) => appendFileSync(join(place(round), 'parameters.bin'), 'x'),
    lost: async ({ begun = ['base'], reopened = [] as string[] } = {}) =>
      (await lostModelOf(folder, { recipe, records: [DONE], reopened, begun: new Set(begun) }))?.message ?? null,
  };
}

const TAUGHT = { ...base, kind: 'distil', teacher: 'base', loss: { temperature: 4, alpha: 0.9 } };

test('a teacher: gone, damaged, or of another training', async () => {
  const { path, place, gone, damaged, lost } = await runWith(TAUGHT);
  expect(await lost()).toBeNull();
  damaged(6);
  const wayOut = `begin a new run; "teacher: { run: ${path}, stage: base }" in its recipe takes the newest whole checkpoint of base, of round 4`;
  const back = 'Put a whole copy of that folder in its place';
  expect(await lost()).toBe(
    `the stage next learns from base, whose checkpoint ${place(6)} is damaged (${place(6)}/parameters.bin: has 401 bytes instead of 400 (at byte 400)). ${back}. Without one, ${wayOut}`,
  );
  expect(existsSync(join(place(6), 'damaged.txt'))).toBe(false);
  writeFileSync(join(place(6), 'damaged.txt'), 'its bytes are others');
  expect(await lost()).toContain(`is damaged (its bytes are others). ${back}, without damaged.txt. Without one`);
  gone(6);
  expect(await lost()).toContain(`whose checkpoint ${place(6)} is gone. ${back}. Without one, ${wayOut}`);
  gone(4);
  damaged(2);
  expect(await lost()).toMatch(/Without one, begin a new run: no other checkpoint of base is whole$/);
  await (await openCheckpointStore(join(path, 'checkpoints'))).put(contentOf(6, { size: 50 }));
  expect(await lost()).toContain('has other parameters than the stage ended with');
});

test('a teacher of a stage that is trained on first is not looked for', async () => {
  const { gone, lost } = await runWith(TAUGHT);
  gone(6);
  expect(await lost({ reopened: ['base'] })).toBeNull();
});

test('a model that a stage begins with, until that has begun', async () => {
  const { path, gone, lost } = await runWith({ ...base, init: 'base' });
  gone(6);
  expect(await lost()).toMatch(/^the stage next begins with base, whose checkpoint .* is gone\./);
  expect(await lost()).toContain(
    `"init: { run: ${path}, stage: base }" in its recipe takes the newest whole checkpoint of base, of round 4`,
  );
  expect(await lost({ begun: ['base', 'next'] })).toBeNull();
});

test.each([
  ['best', 4, 'last', 6],
  ['last', 6, 'best', 4],
] as const)('the %s epoch that a stage tests: the other one is the way out, where it is whole', async (epoch, round, instead, other) => {
  const { path, gone, damaged, lost } = await runWith({ kind: 'evaluate', of: { stage: 'base', epoch }, test: 'test' });
  expect(await lost()).toBeNull();
  damaged(round);
  const which = epoch === 'best' ? 'the best epoch of base' : 'base';
  expect(await lost()).toContain(`the stage next needs ${which}, whose checkpoint`);
  const set = `resume the run with --set "stages.next.of={ stage: base, epoch: ${instead} }"`;
  expect(await lost()).toMatch(new RegExp(`Without one, take its ${instead} epoch instead: ${set}$`));
  gone(other);
  expect(await lost()).toContain(
    `Without one, begin a new run; "stillhouse export ${path} --stage base" writes the newest whole checkpoint of base, of round 2`,
  );
});
