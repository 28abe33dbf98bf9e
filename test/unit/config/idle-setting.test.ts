import { expect, test } from 'vitest';
import { findIdleSettings } from '../../../src/config/idle-setting.js';
import { parseRecipe } from '../../../src/config/load.js';

const common = { on: 'all', test: 'all', epochs: 3, batch: 8, model: 'small', optimizer: { name: 'sgd', rate: 0.1 } };

function warningsOf(stage: object): readonly string[] {
  const recipe = {
    name: 'idle',
    data: { format: 'idx', path: '/d', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'test' } } },
    models: { small: { name: 'cnn-student' } },
    stages: { base: { kind: 'train', ...common }, s: { kind: 'train', ...common, ...stage } },
  };
  return findIdleSettings(parseRecipe(JSON.stringify(recipe))).map(({ text }) => text);
}

test.each([
  ['nothing idle', { schedule: { name: 'step', epochs: [1, 2] }, evaluateEvery: 3 }, []],
  ['a milestone at the end', { schedule: { name: 'step', epochs: [1, 3] } }, [/schedule\.epochs has 3, and the stage ends after 3 epochs/]],
  ['milestones behind the end', { schedule: { name: 'step', epochs: [100, 150] } }, [/has 100 and 150, .* the rate does not change there/]],
  ['a test that never comes', { evaluateEvery: 10 }, [/evaluateEvery is more than the 3 epochs .* tested after the last one only/]],
  [
    'a schedule that is cut',
    { kind: 'distil', teacher: 'base', loss: { alpha: { schedule: 'linear', from: 0, to: 1, epochs: 4 }, temperature: 4 } },
    [/^stages\.s\.loss\.alpha\.epochs is more than the 3 epochs/],
  ],
  [
    'a schedule of a term that is cut',
    { kind: 'distil', teacher: 'base', loss: { terms: [{ loss: 'hinton', weight: { schedule: 'cosine', from: 0, to: 1, epochs: 3.5 } }] } },
    [/^stages\.s\.loss\.terms\[0\]\.weight\.epochs is more than/],
  ],
  [
    'of two peers with the key of their stage, once',
    { kind: 'mutual', peers: { a: {}, b: {} }, schedule: { name: 'step', epochs: [9] } },
    [/^stages\.s\.schedule\.epochs has 9/],
  ],
])('%s', (_what, stage, expected) => {
  expect(warningsOf(stage)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});
