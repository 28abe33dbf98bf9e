import { expect, test } from 'vitest';
import { checkReferences } from '../../../src/config/cross-check.js';
import { loadsInUse, type PlacedRecipe, withLoadStages } from '../../../src/config/outside-model.js';
import type { Recipe } from '../../../src/config/schema.js';
import { checkShape } from '../../../src/config/schema-problem.js';
import { needsOf, stageOrder } from '../../../src/config/stage-graph.js';

const common = { on: 'train', test: 'test', epochs: 1, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };

function written(stages: object): unknown {
  const splits = { train: { part: 'train' }, test: { part: 'test' }, other: { part: 'test' } };
  return {
    name: 'outside',
    data: { format: 'idx', path: '/d', normalise: { mean: [0.2], std: [0.3] }, splits },
    models: { small: { name: 'cnn-student' } },
    stages,
  };
}

const loaded = (stages: object): Recipe => placed(stages).recipe;

function placed(stages: object): PlacedRecipe {
  const checked = checkShape(written(stages));
  if ('problems' in checked) throw new Error(JSON.stringify(checked.problems));
  return withLoadStages(checked.value);
}

const problemsOf = (stages: object): readonly string[] => {
  const checked = checkShape(written(stages));
  return 'problems' in checked ? checked.problems.map(({ text }) => text) : [];
};

const RUN = { run: '/runs/x', stage: 'base', epoch: 'best' };
const FILE = { file: '/models/model.json' };

test('a model that a stage names from outside becomes a stage before it', () => {
  const recipe = loaded({
    s: { kind: 'distil', ...common, teacher: RUN, init: FILE, loss: {} },
    pair: { kind: 'mutual', ...common, peers: { a: { init: FILE }, b: { init: 's' } }, teacher: 's' },
  });
  expect(Object.keys(recipe.stages)).toEqual(['s-teacher', 's-init', 's', 'pair']);
  expect(recipe.stages['s-teacher']).toEqual({ kind: 'load', needs: [], from: RUN, test: 'test' });
  expect(recipe.stages.s).toMatchObject({ teacher: 's-teacher', init: 's-init' });
  // The same model with the same test is taken once.
  expect(recipe.stages.pair).toMatchObject({ peers: { a: { init: 's-init' }, b: { init: 's' } } });
  expect(needsOf(recipe.stages.pair!)).toEqual(['s', 's-init']);
  expect(stageOrder(recipe)).toEqual(['s-teacher', 's-init', 's', 'pair']);
});

test('its name is free, and belongs to the stage', () => {
  const recipe = loaded({
    's-init': { kind: 'load', from: RUN, test: 'test' },
    s: { kind: 'train', ...common, init: FILE },
    t: { kind: 'train', ...common, test: 'other', init: FILE },
  });
  expect(Object.keys(recipe.stages)).toEqual(['s-init-2', 't-init', 's-init', 's', 't']);
  expect(recipe.stages.s).toMatchObject({ init: 's-init-2' });
});

test('the place of each model is where the user has named it first', () => {
  const stage = 's'.repeat(64);
  const { places } = placed({
    's-x': { kind: 'load', from: RUN, test: 'test' },
    [stage]: { kind: 'train', ...common, init: FILE },
    s: { kind: 'distil', ...common, teacher: 's-x', init: FILE, loss: {} },
    pair: { kind: 'mutual', ...common, peers: { a: { init: { file: '/other' } }, b: {} } },
  });
  expect(Object.values(places).sort()).toEqual([
    ['stages', 'pair', 'peers', 'a', 'init'],
    ['stages', 's-x', 'from'],
    ['stages', stage, 'init'],
  ]);
});

test('a stage load that the user has written is used, unless it waits for others or tests on other images', () => {
  const load = { kind: 'load', from: FILE, test: 'test' };
  const stages = { s: { kind: 'train', ...common, init: FILE }, own: load };
  expect(Object.keys(loaded(stages).stages)).toEqual(['s', 'own']);
  expect(loaded(stages).stages.s).toMatchObject({ init: 'own' });
  expect(loaded({ ...stages, own: { ...load, needs: ['s'] } }).stages.s).toMatchObject({ init: 's-init' });
  expect(loaded({ ...stages, own: { ...load, test: 'other' } }).stages.s).toMatchObject({ init: 's-init' });
});

test('a model is needed while it is not tested, or a stage that names it is not done', () => {
  const recipe = loaded({ s: { kind: 'train', ...common, init: FILE }, t: { kind: 'distil', ...common, teacher: RUN, loss: {} } });
  const inUse = (...done: readonly string[]) => loadsInUse(recipe, new Set(done));
  expect(inUse()).toEqual(['s-init', 't-teacher']);
  expect(inUse('s-init', 't-teacher', 's')).toEqual(['t-teacher']);
  expect(inUse('s-init', 's', 't')).toEqual(['t-teacher']);
  expect(inUse('s-init', 't-teacher', 's', 't')).toEqual([]);
});

test.each([
  [
    { kind: 'distil', ...common, teacher: { runn: 'x' }, loss: {} },
    /stages\.s\.teacher.*needs the key "run", and has "runn"|unknown key "runn"/,
  ],
  [{ kind: 'distil', ...common, teacher: { run: 'x', epoch: 3 }, loss: {} }, /stages\.s\.teacher\.epoch must be one of last, best/],
  [
    { kind: 'distil', ...common, teacher: { run: 'x', file: 'y' }, loss: {} },
    /stages\.s\.teacher has "run" and "file", which do not go together/,
  ],
  [{ kind: 'distil', ...common, teacher: 3, loss: {} }, /stages\.s\.teacher must be text or a map, not 3/],
])('a wrong one is named: %#', (stage, message) => {
  const problems = problemsOf({ s: stage });
  expect(problems.join('\n')).toMatch(message);
  expect(problems).toHaveLength(1);
});

test('the name of a stage that loading will make is told how such a stage is written', () => {
  const seen = { kind: 'evaluate', of: 's-teacher', test: 'test' };
  const textsOf = (teacher: unknown) =>
    checkReferences(written({ s: { kind: 'distil', ...common, teacher, loss: {} }, t: { kind: 'train', ...common }, seen })).map(
      ({ text }) => text,
    );
  expect(textsOf(FILE)).toEqual([
    'stages.seen.of: "s-teacher" is not written in this recipe; write it, as a stage { kind: load, from: ..., test: ... }, and name it here and there',
  ]);
  expect(textsOf('t')).toEqual([expect.stringMatching(/there is no training stage "s-teacher"/)]);
});

test('a path where a stage is named is told how a model from outside is given', () => {
  const problems = checkReferences(written({ s: { kind: 'distil', ...common, teacher: './big', loss: {} } }));
  expect(problems.map(({ text }) => text)).toEqual([
    'stages.s.teacher: "./big" is no stage; give a model from outside as { file: ./big } or { run: ./big }',
  ]);
});
