import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { replaceAt } from '../../../src/config/problem.js';
import type { Recipe } from '../../../src/config/schema.js';
import { basisOf, compareBases, type KeptBasis, readBasis, spellBasis, stagesToReopen } from '../../../src/recipe/basis.js';

const common = { on: 'all', test: 'all', epochs: 3, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };
const CONTENT = {
  name: 'rests',
  seed: 1,
  data: {
    format: 'idx',
    path: 'builtin:fashion-mnist',
    normalise: { mean: [0], std: [1] },
    splits: { all: { part: 'test', from: 9_990 } },
  },
  models: { small: { name: 'cnn-student' } },
  stages: {
    base: { kind: 'train', ...common },
    s: { kind: 'distil', teacher: 'base', loss: { temperature: 4 }, ...common },
    last: { kind: 'evaluate', of: 's', test: 'all' },
  },
};
const recipe = parseRecipe(JSON.stringify(CONTENT));
const basis: KeptBasis = {
  home: '/p/runs/r',
  recipe,
  splits: { all: 'aa' },
  modules: { 'models.own': 'bb', 'stages.s.loss.terms[0]': 'cc' },
  models: {},
  training: {},
};
const NONE = new Set<string>();

function compared(path: readonly (string | number)[], value: unknown): ReturnType<typeof compareBases> {
  return compareBases(basis, { ...basis, recipe: replaceAt(recipe, path, value) as Recipe }, NONE);
}

describe('a run goes on', () => {
  test('with the same', () => {
    expect(compareBases(basis, basis, NONE)).toEqual({ refused: [], allowed: [], longer: [] });
  });

  test.each([
    [['workers', 'students'], 4],
    [['workers', 'threads'], 2],
    [['engine', 'trace'], 'off'],
    [['data', 'path'], '/elsewhere'],
    [['data', 'splits', 'more'], { part: 'test', from: 0 }],
    [['models', 'more'], { name: 'cnn-teacher' }],
    [['stages', 'more'], { kind: 'export', of: 's' }],
    [['stages', 's', 'evaluateEvery'], 2],
    [['stages', 's', 'checkpointEvery'], 2],
  ])('with another %j, and says so', (path, value) => {
    const { refused, allowed, longer } = compared(path, value);
    expect({ refused, longer }).toEqual({ refused: [], longer: [] });
    expect(allowed.map(({ place }) => place)).toEqual([path.join('.')]);
  });

  test('from another place', () => {
    expect(compareBases(basis, { ...basis, home: '/q/runs/r' }, NONE).allowed).toEqual([
      { place: "the run's folder", before: '/p/runs/r', now: '/q/runs/r' },
    ]);
    expect(compareBases({ ...basis, home: null }, basis, NONE).allowed).toEqual([]);
  });

  test('with more epochs', () => {
    const { refused, allowed, longer } = compared(['stages', 's', 'epochs'], 5);
    expect(refused).toEqual([]);
    expect(allowed).toEqual([{ place: 'stages.s.epochs', before: '3', now: '5' }]);
    expect(longer).toEqual(['s']);
  });
});

test('a stage that has not tested or exported yet may take another model', () => {
  const other = replaceAt(recipe, ['stages', 'last', 'of'], { stage: 's', epoch: 'last' }) as Recipe;
  const compare = (...begun: readonly string[]) => compareBases(basis, { ...basis, recipe: other }, new Set(begun));
  expect(compare('base', 's')).toMatchObject({ refused: [], allowed: [{ place: 'stages.last.of' }] });
  expect(compare('base', 's', 'last')).toMatchObject({ refused: [{ place: 'stages.last.of' }], allowed: [] });
});

describe('a run does not go on', () => {
  test.each([
    [['seed'], 2, { place: 'seed', before: '1', now: '2' }],
    [['stages', 's', 'epochs'], 2, { place: 'stages.s.epochs', before: '3', now: '2' }],
    [['stages', 's', 'batch'], 16, { place: 'stages.s.batch', before: '8', now: '16' }],
    [['stages', 's', 'batch'], { global: 8 }, { place: 'stages.s.batch', before: '8', now: '{"global":8}' }],
    [['stages', 's', 'optimizer', 'rate'], 0.2, { place: 'stages.s.optimizer.rate', before: '0.1', now: '0.2' }],
    [['stages', 's'], undefined, { place: 'stages.s', before: 'there', now: 'left out' }],
    [['models', 'small', 'name'], 'cnn-teacher', { place: 'models.small.name', before: '"cnn-student"', now: '"cnn-teacher"' }],
    [['data', 'normalise', 'mean'], [0.5], { place: 'data.normalise.mean[0]', before: '0', now: '0.5' }],
    [['data', 'splits', 'all', 'from'], 0, { place: 'data.splits.all.from', before: '9990', now: '0' }],
    [['data', 'labels'], 'coarse', { place: 'data.labels', before: '"fine"', now: '"coarse"' }],
  ])('with another %j', (path, value, change) => {
    expect(compared(path, value).refused).toEqual([change]);
  });

  test('with other images, or with another module of which nobody has built the model', () => {
    const { refused } = compareBases(basis, { ...basis, splits: { all: 'cc' }, modules: { 'models.own': 'dd' } }, NONE);
    expect(refused).toEqual([
      { place: 'the content of the split all', before: 'aa', now: 'cc' },
      { place: 'the content of the module of models.own', before: 'bb', now: 'dd', module: 'models.own' },
    ]);
  });

  test('with a model that computes something else, of the user or of the package', () => {
    const models = { own: { digest: 'ee', layers: 5, parameters: 12_345 }, small: { digest: 'ff', layers: 7, parameters: 60 } };
    const others = { own: { digest: 'gg', layers: 6, parameters: 12_400 }, small: { digest: 'hh', layers: 7, parameters: 60 } };
    const modules = { ...basis.modules, 'models.own': 'dd' };
    expect(compareBases({ ...basis, models }, { ...basis, modules, models: others }, NONE).refused).toEqual([
      {
        place: 'the structure of the model own',
        before: '5 layers, 12,345 parameters (ee)',
        now: '6 layers, 12,400 parameters (gg)',
        module: 'models.own',
      },
      { place: 'the structure of the model small', before: '7 layers, 60 parameters (ff)', now: '7 layers, 60 parameters (hh)' },
    ]);
  });
});

describe('a module that was mended', () => {
  const models = { own: { digest: 'ee', layers: 5, parameters: 12_345 } };

  test('is allowed and said where the model computes the same, whatever was trained', () => {
    const modules = { ...basis.modules, 'models.own': 'dd' };
    const { refused, allowed } = compareBases({ ...basis, models }, { ...basis, modules, models }, new Set(['base', 's']));
    expect(refused).toEqual([]);
    expect(allowed).toEqual([{ place: 'the content of the module of models.own', before: 'bb', now: 'dd', module: 'models.own' }]);
  });

  test('is allowed where it is a loss with which nothing was trained that is kept', () => {
    const now = { ...basis, modules: { ...basis.modules, 'stages.s.loss.terms[0]': 'dd' } };
    const change = {
      place: 'the content of the module of stages.s.loss.terms[0]',
      before: 'cc',
      now: 'dd',
      module: 'stages.s.loss.terms[0]',
    };
    expect(compareBases(basis, now, new Set(['base']))).toMatchObject({ refused: [], allowed: [change] });
    expect(compareBases(basis, now, new Set(['base', 's']))).toMatchObject({ refused: [change], allowed: [] });
  });
});

test('the file of a basis is read again; none is none, and anything else is an error that says what to do', () => {
  const whole = {
    ...basis,
    splits: { all: 'a'.repeat(64) },
    modules: {},
    models: { small: { digest: 'b'.repeat(64), layers: 1, parameters: 2 } },
  };
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse basis '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'basis.json');
  expect(readBasis(file)).toBeNull();
  const readText = (text: string) => {
    writeFileSync(file, text);
    return readBasis(file);
  };
  expect(readText(spellBasis(whole))).toEqual(whole);
  const { home: _, models: __, ...older } = whole;
  expect(readText(JSON.stringify(older)), 'of a run that kept less').toEqual({ ...whole, home: null, models: {} });
  const damaged = expect.objectContaining({ code: 'run.invalid', message: expect.stringMatching(/is damaged.*Put back a whole copy/s) });
  for (const text of ['', '{}', '[]', spellBasis(basis), spellBasis(whole).slice(0, 40)])
    expect(() => readText(text), text).toThrow(damaged);
  const unread = expect.objectContaining({ code: 'run.invalid', message: expect.stringContaining('cannot be read') });
  expect(() => readBasis(folder)).toThrow(unread);
});

test('it has the splits and the modules as their files are now', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse basis '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'own.mjs');
  writeFileSync(file, 'export const a = 1;');
  const term = { module: file };
  const own = replaceAt(replaceAt(recipe, ['models', 'own'], { module: file, options: {} }), ['stages', 's', 'loss'], { terms: [term] });
  const first = await basisOf(own as Recipe);
  expect(Object.keys(first.modules)).toEqual(['models.own', 'stages.s.loss.terms[0]']);
  expect(first.splits.all).toMatch(/^[0-9a-f]{64}$/);
  writeFileSync(file, 'export const a = 2;');
  expect((await basisOf(own as Recipe)).modules).not.toEqual(first.modules);
  rmSync(file);
  await expect(basisOf(own as Recipe)).rejects.toMatchObject({ code: 'model.invalid', message: expect.stringContaining('models.own') });
});

test('more epochs of a finished stage open again what measures or exports it, and never what has learned from it', () => {
  expect(stagesToReopen(recipe, ['s'])).toEqual(['s', 'last']);
  expect(stagesToReopen(recipe, ['base'])).toBeNull();
});
