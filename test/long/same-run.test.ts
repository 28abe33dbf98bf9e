/** Runs on the same images as a folder, with a CSV, and in tar shards: they end with the same weights. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeFashionFolder } from '../support/image-folder.js';
import { useRunRoom } from '../support/run-room.js';
import { writeShards } from '../support/tar-writer.js';

const room = useRunRoom();
const PARTS = ['train', 'val'];
const CLASSES = Array.from({ length: 10 }, (_, i) => `class-${i}`);

test('the format of a data set does not change a run', async () => {
  const folder = join(room.folder, 'images');
  await writeFashionFolder(folder, { train: 160, val: 80, size: 32 });
  for (const part of PARTS) {
    await writeShards(folder, part, 50);
    const rows = CLASSES.flatMap((name) => readdirSync(join(folder, part, name)).map((file) => `${part}/${name}/${file},${name}`));
    // In the order of the format folder.
    writeFileSync(join(folder, `${part}.csv`), ['path,label', ...rows.sort(), ''].join('\r\n'));
  }
  const normalise = { mean: [0.3, 0.3, 0.3], std: [0.35, 0.35, 0.35] };
  const stage = { kind: 'train', model: 'small', on: 'train', test: 'val', epochs: 2, batch: 16, augment: { flip: true } };
  const ends = [];
  for (const [format, train, val, more] of [
    ['folder', 'train', 'val', {}],
    ['csv', 'train', 'val', {}],
    ['webdataset', 'train-{000..003}.tar', 'val-*.tar', { classes: CLASSES }],
  ] as const) {
    const recipe = room.recipe({
      name: format,
      data: {
        ...{ format, path: folder, image: { size: 28, resize: 30 }, normalise, ...more },
        splits: { train: { part: train }, val: { part: val } },
      },
      models: { small: { name: 'cnn-student' } },
      stages: { student: { ...stage, optimizer: { name: 'adam', rate: 0.003 } }, out: { kind: 'export', of: 'student' } },
      workers: { students: 1, engine: 'wasm' },
    });
    const process = room.start('run', recipe, '--out', room.runs, '--json', '--quick');
    const run = join(room.runs, (await process.said('run-started')).run);
    expect(await process.exit(), process.stderr).toBe(0);
    const { userDefinedMetadata } = JSON.parse(readFileSync(join(run, 'export/student/model.json'), 'utf8'));
    const { parametersSha256, classNames } = userDefinedMetadata.stillhouse;
    ends.push({ parametersSha256, classNames });
  }
  expect(ends[0]).toEqual({ parametersSha256: expect.stringMatching(/^[0-9a-f]{64}$/), classNames: CLASSES });
  expect(ends.slice(1)).toEqual([ends[0], ends[0]]);
});
