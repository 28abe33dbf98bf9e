/** Recipes of a mutual stage whose peers a teacher teaches as well: what is right, and what each mistake is told. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { trainedPeers } from '../../../src/config/peer.js';
import type { Recipe } from '../../../src/config/schema.js';
import { messageOf } from '../../../src/errors/stillhouse-error.js';
import { longForm, sideOf } from '../../../src/losses/loss-plan.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';
import { RECIPE_HEAD } from '../../support/recipe-head.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'taught cohort '));
});
afterAll(() => rm(folder, { recursive: true }));

const PEERS = '{ big: { model: large }, small: { model: small } }';
const OPTIMIZER = 'optimizer: { name: adam, rate: 0.003 }';

/** Loads a recipe with a trained stage `base`, and a mutual stage `together` that has these keys too. */
async function load(keys: string, { peers = PEERS, teachers = 1 } = {}): Promise<Recipe> {
  const file = join(folder, 'recipe.yaml');
  const stage = `on: few, test: test, epochs: 3, batch: 64, ${OPTIMIZER}`;
  await writeFile(
    file,
    `${RECIPE_HEAD}workers: { teachers: ${teachers} }
stages:
  base: { kind: train, model: large, ${stage} }
  student: { kind: distil, teacher: base, model: small, ${stage}, loss: { terms: [{ loss: hinton, from: teacher }] } }
  together: { kind: mutual, peers: ${peers}, ${stage}${keys} }
`,
  );
  return loadRecipe(file, { set: [] });
}

/** The sides that each peer of `together` learns from, term by term. */
async function sidesOf(keys: string, peers = PEERS): Promise<Record<string, string[]>> {
  const recipe = await load(keys, { peers });
  const own = trainedPeers(recipe).filter(({ name }) => name.stage === 'together');
  return Object.fromEntries(
    own.map(({ name, recipe: peer }) => [name.peer, longForm(peer).terms.map((term) => `${term.loss} ${sideOf(term, peer)}`)]),
  );
}

describe('a right recipe', () => {
  test('the short form: each peer learns from the others and from the teacher', async () => {
    const both = ['hinton peers', 'hinton teacher'];
    expect(await sidesOf(', teacher: base, fromTeacher: { weight: 0.5 }')).toEqual({ big: both, small: both });
  });

  test('one peer alone may be taught', async () => {
    const peers = '{ big: { model: large, fromTeacher: {} }, small: { model: small } }';
    expect(await sidesOf(', teacher: base', peers)).toEqual({ big: ['hinton peers', 'hinton teacher'], small: ['hinton peers'] });
  });

  test('one peer may have its own weight of the teacher, and terms of its own', async () => {
    const taps = 'taps: [[conv1, conv1]]';
    const peers = `{ big: { model: large, loss: { terms: [{ loss: hinton }, { loss: attention-transfer, from: teacher, ${taps} }] } },
      small: { model: small, fromTeacher: { temperature: 2 } } }`;
    expect(await sidesOf(', teacher: base', peers)).toEqual({
      big: ['hinton peers', 'attention-transfer teacher'],
      small: ['hinton peers', 'hinton teacher'],
    });
  });
});

test.each([
  ['fromTeacher without a teacher', ', fromTeacher: { weight: 1 }', PEERS, /fromTeacher: the stage has no teacher; name one with teacher/],
  [
    'fromTeacher of one peer without a teacher',
    '',
    '{ big: { model: large, fromTeacher: {} }, small: { model: small } }',
    /peers\.big\.fromTeacher: the stage has no teacher/,
  ],
  [
    'a teacher that nobody learns from',
    ', teacher: base',
    PEERS,
    /no term learns from the teacher; add fromTeacher: \{ temperature: 4, weight: 1 \}/,
  ],
  [
    'a term from a teacher that is not there',
    ', loss: { terms: [{ loss: hinton, from: teacher }] }',
    PEERS,
    /the loss hinton learns from a teacher, and the stage names none/,
  ],
  ['a side that is not one', ', loss: { terms: [{ loss: hinton, from: peer }] }', PEERS, /from must be one of .* did you mean "peers"\?/],
  [
    'a teacher that trains several models',
    ', teacher: together, fromTeacher: {}',
    PEERS,
    /stage "together" trains several models; name one/,
  ],
  [
    'a layer of a peer',
    ', teacher: base, fromTeacher: {}, loss: { terms: [{ loss: attention-transfer, taps: [[conv1, conv1]] }] }',
    PEERS,
    /takes layers, and peers give each other their logits only; add from: teacher/,
  ],
  [
    'a memory of what a peer says of a layer',
    ', teacher: base, fromTeacher: {}, loss: { terms: [{ loss: crd, negatives: 10, taps: [[conv1, conv1]] }] }',
    PEERS,
    /the loss crd takes layers, and peers give each other their logits only; add from: teacher/,
  ],
  ['a temperature of 0', ', teacher: base, fromTeacher: { temperature: 0 }', PEERS, /temperature must be more than 0, not 0/],
])('%s is refused', async (_, keys, peers, message) => {
  const found = await load(keys, { peers }).then(() => 'accepted', messageOf);
  expect(found).toMatch(message);
  expect(found.split('\n'), found).toHaveLength(1);
});

test('a run without teacher workers is refused', async () => {
  const found = await load(', teacher: base, fromTeacher: {}', { teachers: 0 }).then(() => 'accepted', messageOf);
  expect(found).toMatch(/workers\.teachers has no teacher, but stages\.student needs one/);
});
