/** What is wrong with a recipe or a data file is said, with its place, before anything starts. */

import { existsSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeIdx } from '../support/data-files.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

const RECIPE = `name: bad
data:
  format: idx
  path: data
  normalise: { mean: [0.5], std: [0.5] }
  splits:
    few: { part: train }
    test: { part: test }
models:
  student: { name: cnn-student }
stages:
  alone:
    kind: train
    model: student
    on: few
    test: test
    epochs: 1
    batch: 8
    optimizer: { name: sgd, rate: 0.1 }
workers: { engine: wasm }
`;

describe('before anything starts', () => {
  test.each([
    ['an unknown key', ['batch: 8', 'bacth: 8'], '18:5', 'batch'],
    ['a bad value', ['epochs: 1', 'epochs: many'], '17:13', 'epochs'],
    ['a stage that is not there', ['workers:', 'x:'], '20:1', 'x'],
    ['no YAML', ['stages:', 'stages: ]'], '11:9', ''],
  ] as const)('a recipe with %s: exit code 2 and its place', async (_what, [right, wrong], place, word) => {
    const file = join(room.folder, 'bad recipe.yaml');
    await writeIdx(join(room.folder, 'data'));
    writeFileSync(file, RECIPE.replace(right, wrong));
    const cli = room.start('run', file, '--out', room.runs);
    expect(await cli.exit()).toBe(2);
    expect(cli.stderr).toContain(`${file}:${place}`);
    expect(cli.stderr).toContain(word);
    expectNothing();
  });

  test.each([
    ['is cut short', 'train-images-idx3-ubyte', 5000],
    ['has less than a header', 't10k-labels-idx1-ubyte', 6],
  ] as const)('a data file that %s: its name, and where', async (_what, name, bytes) => {
    const file = join(room.folder, 'recipe.yaml');
    await writeIdx(join(room.folder, 'data'));
    writeFileSync(file, RECIPE);
    truncateSync(join(room.folder, 'data', name), bytes);
    const cli = room.start('run', file, '--out', room.runs);
    expect(await cli.exit()).toBe(2);
    expect(cli.stderr).toContain(join(room.folder, 'data', name));
    expect(cli.stderr).toMatch(/byte \d+/);
    expectNothing();
  });

  test('a damaged file that only reading it whole shows ends the run, and every process of it', async () => {
    const file = join(room.folder, 'recipe.yaml');
    await writeIdx(join(room.folder, 'data'));
    writeFileSync(file, RECIPE);
    const labels = join(room.folder, 'data', 'train-labels-idx1-ubyte');
    // Sixty labels; one of them is of no class.
    writeFileSync(labels, Buffer.concat([Buffer.from([0, 0, 8, 1, 0, 0, 0, 60]), Buffer.alloc(60, 3).fill(200, 30, 31)]));
    const cli = room.start('run', file, '--out', room.runs);
    expect(await cli.exit()).toBe(2);
    expect(cli.stderr).toContain(labels);
    expect(cli.stderr).toMatch(/byte 38\b/);
  });

  test('a port that is taken: which, and exit code 2', async () => {
    const first = room.start('coordinator', room.recipe(smallRecipe()), '--listen', 'tcp://127.0.0.1:*', '--out', room.runs, '--json');
    const { endpoint } = await first.said('listening');
    const second = room.start('coordinator', room.recipe(smallRecipe()), '--listen', endpoint, '--out', join(room.folder, 'other'));
    expect(await second.exit()).toBe(2);
    expect(second.stderr).toContain(endpoint);
    first.interrupt();
    expect(await first.exit()).toBe(130);
  });
});

function expectNothing(): void {
  expect(existsSync(room.runs)).toBe(false);
  expect(room.processes()).toEqual([]);
}
