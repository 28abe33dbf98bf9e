/** The mistakes of a mutual stage as a whole: its peers, their names, and the students for them. */

import { expect, test } from 'vitest';
import { checkValues } from '../../../src/config/cross-check.js';
import { recipeSchema } from '../../../src/config/schema.js';

const training = { on: 'all', test: 'all', epochs: 2, batch: 8 };
const OPTIMIZER = { name: 'sgd', rate: 0.1 };

function problemsOf(stage: object, students?: number): readonly string[] {
  const recipe = {
    name: 'cohort',
    data: { format: 'idx', path: '/d', normalise: { mean: [0], std: [1] }, splits: { all: { part: 'test' } } },
    models: { net: { name: 'cnn-student' } },
    stages: { together: { kind: 'mutual', ...training, model: 'net', optimizer: OPTIMIZER, peers: { a: {}, b: {} }, ...stage } },
    workers: students === undefined ? {} : { students },
  };
  return checkValues(recipeSchema.parse(recipe)).map(({ text }) => text);
}

test.each<[string, object, number | undefined, readonly RegExp[]]>([
  ['two peers', {}, undefined, []],
  ['as many students as cells', { replicas: 2 }, 4, []],
  ['more', { replicas: 2 }, 5, []],
  ['no peer', { peers: {} }, undefined, [/has no peer: .* give two or more$/]],
  ['one peer', { peers: { a: {} } }, undefined, [/has one peer: .* give two or more$/]],
  ['the name of a lone model', { peers: { model: {}, b: {} } }, undefined, [/"model" cannot be the name of a peer/]],
  [
    'a peer without a model',
    { model: undefined, peers: { a: { model: 'net' }, b: {} } },
    undefined,
    [/peers\.b has no model, and neither has/],
  ],
  [
    'a peer without an optimiser',
    { optimizer: undefined, peers: { a: { optimizer: OPTIMIZER }, b: {} } },
    undefined,
    [/peers\.b has no optimizer, and neither has/],
  ],
  ['what only a teacher gives', { fromTeacher: { weight: 1 } }, undefined, [/together\.fromTeacher: the stage has no teacher; name one/]],
  [
    'too few students',
    {},
    1,
    [/^workers\.students is 1, and stages\.together has 2 peers x 1 replicas = 2 students; leave workers\.students out$/],
  ],
  [
    'too few for all replicas',
    { replicas: 2 },
    3,
    [/students is 3, and .* 2 peers x 2 replicas = 4 students; leave workers\.students out, or give it replicas: 1$/],
  ],
])('%s', (_what, stage, students, expected) => {
  expect(problemsOf(stage, students)).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
});
