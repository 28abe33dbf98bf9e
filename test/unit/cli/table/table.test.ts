import { expect, test } from 'vitest';
import { checkReferences, referencesOf } from '../../../../src/cli/table/reference.js';
import { type SeedResult, tableRows } from '../../../../src/cli/table/table-row.js';
import { tableText } from '../../../../src/cli/table/table-text.js';
import { parseRecipe } from '../../../../src/config/load.js';

const training = { on: 'few', test: 'test', epochs: 1, batch: 64, optimizer: { name: 'adam', rate: 0.003 } };
const alone = { kind: 'train', model: 'small', ...training };
const taught = { kind: 'distil', teacher: 'teacher', model: 'small', ...training };

const recipe = parseRecipe(
  JSON.stringify({
    name: 'compared',
    data: {
      ...{ format: 'idx', path: '/d', normalise: { mean: [0], std: [1] } },
      splits: { all: { part: 'train' }, few: { part: 'train', to: 9 }, test: { part: 'test' } },
    },
    models: { big: { name: 'cnn-teacher' }, small: { name: 'cnn-student' } },
    stages: {
      teacher: { ...alone, model: 'big', on: 'all' },
      baseline: alone,
      smooth: { ...alone, loss: { labelSmoothing: 0.1 } },
      dkd: { ...taught, loss: { terms: [{ loss: 'dkd' }] } },
      guided: { ...taught, init: 'dkd', freeze: { through: 'conv1' }, loss: { temperature: 4 } },
      kd: { ...taught, loss: { temperature: 4, alpha: 0.9 } },
      long: { ...taught, loss: { labels: { weight: 0.1 }, terms: [{ loss: 'hinton' }] } },
      more: { ...taught, on: 'all', loss: { temperature: 4 } },
      pair: { kind: 'mutual', ...training, peers: { a: { model: 'small' }, b: { model: 'big' } } },
      later: { ...taught, init: 'dkd', loss: { temperature: 4 } },
      again: { kind: 'evaluate', of: 'kd', test: 'test' },
      out: { kind: 'export', of: 'kd' },
    },
  }),
);

test.each([
  ['teacher', 'teacher', null],
  ['baseline', 'baseline', 'kd'],
  ['smooth', 'baseline', 'kd'],
  ['dkd', 'baseline', 'kd'],
  ['guided', 'baseline', 'kd'],
  ['kd', 'baseline', 'kd'],
  ['long', 'baseline', 'kd'],
  ['more', null, 'more'],
  ['later', 'baseline', 'kd'],
  ['pair.a', 'baseline', 'kd'],
  ['pair.b', null, null],
  ['again', null, null],
])('%s is compared by rule with %s and %s', (row, baseline, kd) => {
  expect(referencesOf(recipe, row, {})).toEqual({ baseline, kd });
  expect(referencesOf(recipe, row, { baseline: 'smooth', kd: 'long' })).toEqual({ baseline: 'smooth', kd: 'long' });
});

test('a reference that is no model of a tested stage is refused, with the nearest name', () => {
  checkReferences({ baseline: 'again', kd: 'pair.b' }, recipe);
  checkReferences({}, recipe);
  expect(() => checkReferences({ baseline: 'basline' }, recipe)).toThrow(/--baseline basline: no stage .*; did you mean "baseline"\?/);
  expect(() => checkReferences({ kd: 'out' }, recipe)).toThrow(/--kd out: no stage/);
  expect(() => checkReferences({ kd: 'pair' }, recipe)).toThrow(/--kd pair: no stage/);
});

const GAINS: Readonly<Record<string, readonly number[]>> = {
  teacher: [0.87, 0.86, 0.88],
  baseline: [0.77, 0.76, 0.78],
  dkd: [0.8, 0.801, 0.8],
  kd: [0.805, 0.795, 0.816],
};
const RATES = { teacher: 900, baseline: 1500, dkd: 900, kd: 1000 };
const results = [1, 2, 8].map((seed, i): SeedResult => {
  const accuracy = Object.fromEntries(Object.entries(GAINS).map(([stage, shares]) => [stage, shares[i] ?? 0]));
  // The second run was on a machine that was twice as fast.
  return { seed, accuracy, rates: Object.fromEntries(Object.entries(RATES).map(([stage, rate]) => [stage, i === 1 ? 2 * rate : rate])) };
});
const rowsOf = (own: readonly SeedResult[], chosen = {}) =>
  tableRows({ recipe, results: own, chosen, bytes: { dkd: 2560, kd: 1_000_000 } });

test('the rows: means, margins seed by seed, speed and bytes', () => {
  const [teacher, baseline, dkd, kd] = rowsOf(results);
  expect(teacher).toMatchObject({ overBaseline: null, overKd: null, speed: null, bytesPerStep: null });
  expect(baseline).toMatchObject({
    overBaseline: null,
    overKd: { over: 'kd', positive: 0, verdict: 'drop' },
    speed: 1.5,
    bytesPerStep: null,
  });
  expect(dkd).toMatchObject({ stage: 'dkd', accuracies: { 1: 80, 8: 80 }, speed: 0.9, bytesPerStep: 2560 });
  expect(dkd?.accuracy.mean).toBeCloseTo(80.033, 3);
  expect(dkd?.overBaseline?.mean).toBeCloseTo((3 + 4.1 + 2) / 3, 6);
  expect(dkd?.overBaseline).toMatchObject({ over: 'baseline', positive: 3, seeds: 3, verdict: 'gain' });
  expect(dkd?.overKd).toMatchObject({ over: 'kd', positive: 1, verdict: 'noise' });
  expect(kd).toMatchObject({ overKd: null, speed: 1 });
  const [first] = rowsOf(results, { baseline: 'dkd' });
  expect(first?.overBaseline).toMatchObject({ over: 'dkd', positive: 3 });
});

test('as text, within 80 columns: a table for each pair of references', () => {
  const text = tableText(rowsOf(results), [1, 2, 8], 80);
  expect(text.split('\n')).toEqual([
    'stage    accuracy',
    '-----------------',
    'teacher  87.0±1.0',
    '',
    'stage     accuracy      over baseline             over kd  speed     a step',
    '---------------------------------------------------------------------------',
    'baseline  77.0±1.0                      -3.5±0.1 0/3 drop  1.50x           ',
    'dkd       80.0±0.1  +3.0±1.1 3/3 gain  -0.5±1.1 1/3 noise  0.90x    2.5 KiB',
    'kd        80.5±1.1  +3.5±0.1 3/3 gain                      1.00x  976.6 KiB',
    '',
    'accuracy: % of the test images, mean±standard deviation over the seeds 1, 2, 8',
    'over: points, seed by seed; seeds with a gain; gain, drop: paired t test at 5 %',
    'speed: images/s against those of plain distillation, in the same run',
    'a step: knowledge that one step of a student takes from the teacher',
  ]);
  expect(text.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

test('a margin that is shown as zero has no minus', () => {
  const [row] = rowsOf(results.slice(0, 1)).slice(2);
  const none = { over: 'baseline', mean: -0.04, deviation: 0.3, positive: 0, seeds: 1, verdict: null };
  expect(tableText(row === undefined ? [] : [{ ...row, overBaseline: none }], [1])).toMatch(/ \+0\.0±0\.3 0\/1 /);
});

test('of one seed there is neither a deviation nor a test', () => {
  const text = tableText(rowsOf(results.slice(0, 1)), [1]);
  expect(text).toMatch(/^dkd +80\.0 +\+3\.0 1\/1 +-0\.5 0\/1 +0\.90x +2\.5 KiB$/m);
  expect(text).not.toMatch(/±|drop|noise/);
});
