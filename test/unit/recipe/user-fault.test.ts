import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parseRecipe } from '../../../src/config/load.js';
import { userFault, userModules } from '../../../src/recipe/user-fault.js';

const common = { on: 'all', test: 'all', epochs: 3, batch: 8, optimizer: { name: 'sgd', rate: 0.1 } };

test('the modules of a recipe, with their places', () => {
  const recipe = parseRecipe(
    JSON.stringify({
      name: 'own',
      data: { format: 'idx', path: '/d', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'test' } } },
      models: { stock: { name: 'cnn-student' }, own: { module: '/m/own.mjs' } },
      stages: {
        base: { kind: 'train', ...common, model: 'own' },
        s: { kind: 'distil', teacher: 'base', ...common, model: 'stock', loss: { terms: [{ loss: 'hinton' }, { module: '/m/loss.mjs' }] } },
      },
    }),
  );
  expect(userModules(recipe)).toEqual([
    { place: 'models.own', file: '/m/own.mjs', code: 'model.invalid' },
    { place: 'stages.s.loss.terms[1]', file: '/m/loss.mjs', code: 'loss.invalid' },
  ]);
});

test('an error that was thrown in a module has its name, file and line; any other error has none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stillhouse fault '));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'own loss.mjs');
  writeFileSync(file, 'export function sum(run) {\n  return run();\n}\nexport function fail() {\n  throw new Error("no such knob");\n}\n');
  const { sum, fail } = (await import(pathToFileURL(file).href)) as { sum(run: () => void): void; fail(): void };
  const modules = [{ place: 'stages.s.loss.terms[0]', file, code: 'loss.invalid' as const }];
  const thrownBy = (run: () => void): unknown => {
    try {
      run();
    } catch (error) {
      return error;
    }
    throw new Error('it threw nothing');
  };
  expect(userFault(thrownBy(fail), modules)).toMatchObject({
    code: 'loss.invalid',
    message: expect.stringContaining('stages.s.loss.terms[0]: no such knob'),
    details: { file, line: 5 },
  });
  // A module that calls a library wrongly is at fault, although the library throws.
  const inLibrary = thrownBy(() => sum(() => JSON.parse('{')));
  expect(userFault(inLibrary, modules)).toMatchObject({ code: 'loss.invalid', details: { file, line: 2 } });
  expect(
    userFault(
      thrownBy(() => JSON.parse('{')),
      modules,
    ),
  ).toBeNull();
  expect(userFault('text', modules)).toBeNull();
  expect(userFault(thrownBy(fail), [])).toBeNull();
});
