/** Batches that do not fit into memory: the run ends with the figure that does, and a run with that figure is done. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { packageFolder } from '../../src/process/package-folder.js';
import { writeIdx } from '../support/data-files.js';
import { useRunRoom } from '../support/run-room.js';

const room = useRunRoom();

const SMALL_MEMORY = pathToFileURL(join(packageFolder, 'test/support/process/small-wasm-memory.mjs')).href;

test('two students of one machine are tried once each, and the figure that they name is true', async () => {
  await writeIdx(join(room.folder, 'data'), { train: 240 });
  const stage = {
    kind: 'train',
    model: 'wide',
    on: 'train',
    test: 'test',
    epochs: 1,
    batch: 120,
    every: 1,
    optimizer: { name: 'sgd', rate: 0.01 },
  };
  const recipe = room.recipe({
    name: 'large',
    data: {
      format: 'idx',
      path: join(room.folder, 'data'),
      normalise: { mean: [0.5], std: [0.25] },
      splits: { train: { part: 'train' }, test: { part: 'test' } },
    },
    models: { wide: { name: 'cnn', options: { channels: '256,16', hidden: 16 } } },
    stages: { s: stage },
    workers: { students: 2, engine: 'wasm' },
  });
  const env = { NODE_OPTIONS: `--import ${SMALL_MEMORY}`, SMALL_WASM_BYTES: String(40 * 2 ** 20) };
  const run = room.startWith({ env }, 'run', recipe, '--out', room.runs);
  expect(await run.exit()).toBe(2);
  expect(run.stderr).toMatch(
    /error \(engine\.outOfMemory\): worker student-\d: s: a training step of 120 images with the model wide needs more memory/,
  );
  expect(run.stderr.match(/is gone/g) ?? []).toHaveLength(1);
  expect(run.stderr).not.toContain('engine.crashed');
  expect(run.stderr).toMatch(/to continue the run when it has more memory or another engine, with the same batch: npx stillhouse resume/);
  const largest = Number(/that fits safely is about (\d+)/.exec(run.stderr)?.[1]);
  expect(largest).toBeGreaterThan(0);
  const smaller = room.startWith({ env }, 'run', recipe, '--out', room.runs, '--set', `stages.s.batch=${largest}`);
  expect(await smaller.exit()).toBe(0);
});
