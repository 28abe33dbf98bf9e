/** Data that lies elsewhere on a worker's machine than the recipe says, or nowhere there. */

import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { fingerprintSplit } from '../../../src/data/dataset.js';
import { refusal } from '../../../src/rpc/data-server.js';
import { feedOf } from '../../support/split-feed.js';
import { EngineRoom } from './engine-room.js';

let room: EngineRoom;
beforeEach(async () => {
  room = await new EngineRoom().open();
  await rename(join(room.folder, 'data'), join(room.folder, 'elsewhere'));
});
afterEach(() => room.close());

test('a student reads the data from where its worker says', async () => {
  const student = await room.engine('student', 1, { data: join(room.folder, 'elsewhere') });
  student.train(1, 0, 16);
  expect(await student.next('worker.trained')).toMatchObject({ samples: 16 });
});

test('a file that is not there is named with that path', async () => {
  const empty = join(room.folder, 'empty');
  await mkdir(empty);
  const student = await room.engine('student', 1, { data: empty });
  student.train(1, 0, 16);
  const { code, message } = await student.next('worker.failed');
  expect(code).toBe('data.missing');
  expect(message).toContain(`${empty}: a data file is not in this folder`);
});

test('a student on a machine without the data trains as one that has it', async () => {
  vi.stubEnv('STILLHOUSE_CACHE', join(room.folder, 'cache'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const own = { ...room.recipe.data, path: join(room.folder, 'elsewhere') };
  const splits = { train: await fingerprintSplit(own, 'train'), test: await fingerprintSplit(own, 'test') };
  const feed = feedOf(own, splits);
  room.answering = async ({ header }) => (header.type === 'split.get' ? feed.rows(header) : refusal('missing', header.type));
  const [there, without] = [await room.engine('student', 1, { data: own.path, splits }), await room.engine('student', 2, { splits })];
  for (const student of [there, without]) student.train(1, 0, 24);
  const [expected, found] = [await there.next('worker.trained'), await without.next('worker.trained')];
  expect(found.lossSum).toBe(expected.lossSum);
  expect(without.lines.filter(({ event }) => event === 'data.fetched')).toMatchObject([{ split: 'train', samples: 60 }]);
  expect(there.lines.filter(({ event }) => event === 'data.fetched')).toEqual([]);
});
