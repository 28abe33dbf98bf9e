/** Data that lies elsewhere on a worker's machine than the recipe says. */

import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
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
