/** A recipe with several mistakes: each is told, whatever the others are, and programs get them one by one. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ErrorProblem, StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';

const STAGE = 'model: m, on: train, test: test, batch: 16, optimizer: { name: sgd, rate: 0.1 }';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'recipe folder '));
});
afterAll(() => rm(folder, { recursive: true }));

/** The mistakes of a recipe with these stages, and where a section is given, with that one too. */
async function mistakes(stages: readonly string[], more = '', set: readonly string[] = []): Promise<readonly ErrorProblem[]> {
  const file = join(folder, 'recipe.yaml');
  const data =
    'data: { format: idx, path: d, normalise: { mean: [0.3], std: [0.3] }, splits: { train: { part: train }, test: { part: test } } }';
  await writeFile(
    file,
    ['name: r', data, 'models: { m: { name: cnn } }', more, 'stages:', ...stages].filter((line) => line !== '').join('\n'),
  );
  const error: unknown = await loadRecipe(file, { set }).catch((reason: unknown) => reason);
  if (!(error instanceof StillhouseError)) throw error;
  const problems = error.details.problems ?? [];
  for (const { message } of problems) expect(error.message).toContain(message);
  return problems.map((problem) => (problem.file === file ? { ...problem, file: 'recipe.yaml' } : problem));
}

test('a misspelt kind hides neither the mistakes of its stage nor those of other stages', async () => {
  const found = await mistakes([
    `  a: { kind: trian, ${STAGE}, epochs: 0 }`,
    `  b: { kind: train, ${STAGE}, epochs: 5, schedule: { name: step, epochs: [3, 2] } }`,
  ]);
  expect(found.map(({ path, line, hint }) => [path, line, hint])).toEqual([
    ['stages.a.kind', 5, 'Did you mean "train"?'],
    ['stages.a.epochs', 5, undefined],
    ['stages.b.schedule.epochs', 6, undefined],
  ]);
  expect(found[0]).toEqual({
    ...{ file: 'recipe.yaml', line: 5, column: 14, path: 'stages.a.kind', hint: 'Did you mean "train"?' },
    message: 'stages.a.kind must be one of train, distil, mutual, load, evaluate, export, not "trian"',
  });
});

test('a mistake of one section does not hide the values of another', async () => {
  const found = await mistakes(
    [`  a: { kind: train, ${STAGE}, epochs: 2, schedule: { name: cosine, warmupEpochs: 9 } }`],
    'workers: { threads: 0 }',
  );
  expect(found.map(({ path }) => path)).toEqual(['workers.threads', 'stages.a.schedule.warmupEpochs']);
});

test('a stage that names a stage with a mistake has none of its own', async () => {
  const found = await mistakes([`  a: { kind: train, ${STAGE}, epochs: -1 }`, '  e: { kind: evaluate, of: a, test: test }']);
  expect(found.map(({ path }) => path)).toEqual(['stages.a.epochs']);
});

test('a stage whose name is there twice is one mistake: what names the other of the two has none of its own', async () => {
  const stage = `{ kind: train, ${STAGE}, epochs: 1 }`;
  const found = await mistakes([`  a: ${stage}`, `  a: ${stage}`, '  e: { kind: evaluate, of: b, test: test }']);
  expect(found.map(({ line, message }) => [line, message])).toEqual([
    [6, expect.stringMatching(/^[\w.]+: this key is in the same map twice$/)],
  ]);
});

test('a key that is twice in another map hides no wrong name', async () => {
  const found = await mistakes([`  a: { kind: train, ${STAGE}, epochs: 1, epochs: 1 }`, '  e: { kind: evaluate, of: b, test: test }']);
  expect(found.map(({ path, line }) => [path, line])).toEqual([
    ['stages.a.epochs', 5],
    ['stages.e.of', 6],
  ]);
});

test('a mistake of the command line names its option', async () => {
  const found = await mistakes([`  a: { kind: train, ${STAGE}, epochs: 1 }`], '', ['stages.a.batch=0']);
  expect(found).toEqual([
    { option: '--set stages.a.batch=0', path: 'stages.a.batch', message: 'stages.a.batch must be at least 1, not 0' },
  ]);
});

test.each([
  ['"3"', 'stages.a.epochs must be a number, not "3"; write 3'],
  ['"1,5"', 'stages.a.epochs must be a number, not "1,5"; write 1.5'],
  ['three', 'stages.a.epochs must be a number, not "three"'],
])('a number in the wrong form, %s, is told in the right one', async (written, message) => {
  const found = await mistakes([`  a: { kind: train, ${STAGE}, epochs: ${written} }`]);
  expect(found.map((problem) => problem.message)).toEqual([message]);
});

test('a number where a list belongs is told as a list', async () => {
  const found = await mistakes([`  a: { kind: train, ${STAGE}, epochs: 1 }`], '', ['data.normalise.mean=0.2']);
  expect(found.map(({ message }) => message)).toEqual(['data.normalise.mean must be a list, not 0.2; write [0.2]']);
});

test('a file of another encoding, and the folder of a run, are told with what to do', async () => {
  const file = join(folder, 'utf16.yaml');
  await writeFile(file, Buffer.from('\ufeffname: r\n', 'utf16le'));
  await expect(loadRecipe(file)).rejects.toThrow('it is not text in UTF-8. Save it as UTF-8');
  const run = join(folder, 'r-20260101-120000');
  await mkdir(run);
  await writeFile(join(run, 'config.resolved.yaml'), 'name: r\n');
  await expect(loadRecipe(run)).rejects.toThrow('It is the folder of a run: `stillhouse resume` continues it');
});
