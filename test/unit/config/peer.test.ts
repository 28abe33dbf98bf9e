import { expect, test } from 'vitest';
import { checkReferences, checkValues } from '../../../src/config/cross-check.js';
import {
  exportName,
  finishedModel,
  mapTerms,
  modelKey,
  modelLabel,
  peerNamed,
  peerRecipe,
  peersOf,
  problemOfWantedPeer,
  spellPeer,
  trainedPeers,
} from '../../../src/config/peer.js';
import { formatPath } from '../../../src/config/problem.js';
import { type PeerRecipe, recipeSchema, type StageRecipe } from '../../../src/config/schema.js';
import { checkShape } from '../../../src/config/schema-problem.js';
import { needsOf } from '../../../src/config/stage-graph.js';

const training = { on: 'all', test: 'test', epochs: 2, batch: 8, optimizer: { name: 'sgd', rate: 0.1 } };
const one = recipeSchema.parse({
  name: 'pair',
  data: {
    format: 'idx',
    path: '/data',
    normalise: { mean: [0], std: [1] },
    splits: { all: { part: 'train' }, test: { part: 'test' } },
  },
  models: { net: { name: 'net' }, tiny: { name: 'tiny' } },
  stages: {
    alone: { kind: 'train', model: 'net', ...training },
    together: { kind: 'mutual', model: 'net', ...training, peers: { big: {}, small: {} }, loss: { terms: [{ module: 'shared.mjs' }] } },
    final: { kind: 'evaluate', of: 'together.small', test: 'test' },
  },
});
const OWN_LOSS = { labels: { weight: 1, smoothing: 0 }, terms: [{ module: 'own.mjs' }, { loss: 'dkd' }] };
const OPTIMIZER: PeerRecipe['optimizer'] = { name: 'sgd', rate: 1, momentum: 0, nesterov: true, weightDecay: 0, decayAll: false };

test('an export has the name of its model, and that of its stage where several export the model', () => {
  const of = (stage: string): StageRecipe => ({ kind: 'export', needs: [], of: stage });
  const stages = { ...one.stages, a: of('alone'), b: of('together.big'), c: of('together.small'), d: of('together.small') };
  expect(['a', 'b', 'c', 'd'].map((name) => exportName({ stages }, name))).toEqual(['alone', 'together.big', 'c', 'd']);
});

test('a model from outside is found by its stage, and named with as many folders as tell it from the others', () => {
  const load = (from: object) => ({ kind: 'load', needs: [], from, test: 'test' });
  const sources = [
    ['a', { file: '/a/m/model.json' }],
    ['b', { file: '/b/m/model.json' }],
    ['c', { file: '/b/m/other.json' }],
    ['again', { file: '/b/m/other.json' }],
    ['d', { file: '/d/tiny' }],
    ['e', { run: '/runs/x/', stage: 's', epoch: 'best' }],
    ['f', { run: '/runs/x', stage: 's', epoch: 'last' }],
  ] as const;
  const stages = Object.fromEntries(sources.map(([name, from]) => [name, load(from)])) as (typeof one)['stages'];
  const recipe = { ...one, stages: { ...one.stages, ...stages } };
  const labels = sources.map(([name]) => modelLabel(recipe, peerNamed(name)));
  expect(labels).toEqual(['a/m/model.json', 'b/m/model.json', 'other.json', 'other.json', 'd/tiny', 'x:s (best)', 'x:s (last)']);
  expect(modelLabel(recipe, peerNamed('together.small'))).toBe('net');
  expect(modelLabel(recipe, peerNamed('final'))).toBeNull();
  expect(['a', 'b', 'alone'].map((name) => modelKey(recipe, peerNamed(name)))).toEqual(['stage a', 'stage b', 'net']);
});

/** The recipe above, with these keys of the peer small. */
function pairWith(small: Partial<PeerRecipe>): typeof one {
  const { together } = one.stages;
  if (together?.kind !== 'mutual') throw new Error('the recipe has changed');
  return { ...one, stages: { ...one.stages, together: { ...together, peers: { big: {}, small: small as object } } } };
}

test.each([
  ['alone', { stage: 'alone', peer: 'model' }],
  ['together.big', { stage: 'together', peer: 'big' }],
])('%s names a model, and is written like that', (text, name) => {
  expect(peerNamed(text)).toEqual(name);
  expect(spellPeer(name)).toBe(text);
});

test('a peer trains by its own keys, and by those of the stage where it gives none', () => {
  const recipe = pairWith({ model: 'tiny', optimizer: OPTIMIZER });
  expect(
    trainedPeers(recipe).map(({ name, recipe: { model, epochs, optimizer } }) => [spellPeer(name), model, epochs, optimizer.rate]),
  ).toEqual([
    ['alone', 'net', 2, 0.1],
    ['together.big', 'net', 2, 0.1],
    ['together.small', 'tiny', 2, 1],
  ]);
  expect(peerRecipe(recipe, { stage: 'together', peer: 'small' })?.model).toBe('tiny');
  for (const name of ['together', 'together.other', 'final', 'nowhere', 'toString']) expect(peerRecipe(recipe, peerNamed(name))).toBeNull();
  expect(peersOf(recipe.stages.final!).size).toBe(0);
});

test('a peer has layers frozen by its own key, or by that of its stage', () => {
  const [stages, small] = [pairWith({ freeze: { through: 'conv1' } }).stages, { stage: 'together', peer: 'small' }];
  const all = { ...stages, together: { ...stages.together!, freeze: { after: 'conv2' } } } as typeof stages;
  const freezes = (recipe: Pick<typeof one, 'stages'>) => trainedPeers(recipe).map(({ recipe: { freeze } }) => freeze);
  expect(freezes({ stages })).toEqual([undefined, undefined, { through: 'conv1' }]);
  expect(freezes({ stages: all })).toEqual([undefined, { after: 'conv2' }, { through: 'conv1' }]);
  const places = trainedPeers({ stages: all }).map(({ place }) => formatPath(place('freeze')));
  expect(places).toEqual(['stages.alone.freeze', 'stages.together.freeze', `stages.${small.stage}.peers.${small.peer}.freeze`]);
});

test('a student is started for a peer that a stage with several has; otherwise the names are given, and the nearest one', () => {
  const other = { ...one.stages.together!, peers: { big: {}, huge: {} } } as typeof one.stages.together;
  const recipe = { stages: { ...one.stages, other: other! } };
  for (const peer of ['big', 'small', 'huge']) expect(problemOfWantedPeer(recipe, peer)).toBeNull();
  expect(problemOfWantedPeer(recipe, 'bgi')).toBe(
    '--peer bgi: no stage has such a peer; did you mean "big"? The peers are big, small, huge',
  );
  expect(problemOfWantedPeer(recipe, 'model')).toBe('--peer model: no stage has such a peer. The peers are big, small, huge');
  const alone = { stages: { alone: one.stages.alone! } };
  expect(problemOfWantedPeer(alone, 'big')).toBe('--peer big: no stage of the recipe trains several peers. Leave --peer out');
});

test('a stage that names a peer needs the stage of that peer', () => {
  expect(needsOf(one.stages.final!)).toEqual(['together']);
});

test('a mistake of a peer is found where it stands', () => {
  expect(checkValues(pairWith({ optimizer: OPTIMIZER }))).toEqual([
    {
      path: ['stages', 'together', 'peers', 'small', 'optimizer', 'nesterov'],
      at: 'value',
      text: 'stages.together.peers.small.optimizer.nesterov needs a momentum above 0',
    },
  ]);
});

test('names of models are checked peer by peer, and a stage of several peers is named with the peer', () => {
  const references = (recipe: unknown) => checkReferences(recipe).map(({ text }) => text);
  expect(references(pairWith({}))).toEqual([]);
  expect(references(pairWith({ model: 'tyni' }))).toEqual([
    'stages.together.peers.small.model: there is no model "tyni"; did you mean "tiny"?',
  ]);
  const recipe = pairWith({});
  const final = { ...recipe.stages.final!, of: 'together' };
  expect(references({ ...recipe, stages: { ...recipe.stages, final } })).toEqual([
    'stages.final.of: stage "together" trains several models; name one: together.big, together.small',
  ]);
  const short = { ...recipe.stages.final!, of: 'big' };
  expect(references({ ...recipe, stages: { ...recipe.stages, final: short } })).toEqual([
    'stages.final.of: there is no training stage "big"; did you mean "together.big"?',
  ]);
});

test('an epoch of a finished model is named with its stage, and checked as a name alone is', () => {
  const recipe = pairWith({});
  const withOf = (of: unknown) => ({ ...recipe, stages: { ...recipe.stages, final: { ...recipe.stages.final!, of } } });
  const problemsOf = (of: unknown) => {
    const shape = checkShape(withOf(of));
    return 'problems' in shape ? shape.problems.map(({ text }) => text) : checkReferences(withOf(of)).map(({ text }) => text);
  };
  expect(problemsOf({ stage: 'together.big', epoch: 'best' })).toEqual([]);
  expect(problemsOf({ stage: 'together.big' })).toEqual([]);
  expect(problemsOf({ stage: 'together', epoch: 'best' })).toEqual([
    'stages.final.of.stage: stage "together" trains several models; name one: together.big, together.small',
  ]);
  expect(problemsOf({ stage: 'together.bigg' })).toEqual([
    'stages.final.of.stage: there is no training stage "together.bigg"; did you mean "together.big"?',
  ]);
  expect(problemsOf({ stage: 'together.big', epoch: 'bset' })).toEqual([
    'stages.final.of.epoch must be one of best, last, not "bset"; did you mean "best"?',
  ]);
  expect(problemsOf({ stage: 'together.big', epohc: 'best' })).toEqual([expect.stringContaining('did you mean "epoch"?')]);
  expect(problemsOf({ epoch: 'best' })).toEqual([expect.stringContaining('of needs the key "stage"')]);
  expect(problemsOf(3)).toEqual([expect.stringMatching(/final\.of must be text or a map, not 3/)]);
  expect(finishedModel('together.big')).toEqual({ stage: 'together', peer: 'big', epoch: 'last' });
  expect(finishedModel({ stage: 'base', epoch: 'best' })).toEqual({ stage: 'base', peer: 'model', epoch: 'best' });
});

test('the terms of every loss of a stage are found and changed', () => {
  const { together } = pairWith({ loss: OWN_LOSS }).stages;
  const found: string[] = [];
  const changed = mapTerms(together!, (term, path) => {
    found.push(formatPath(path));
    return { ...term, weight: found.length };
  });
  expect(found).toEqual(['loss.terms[0]', 'peers.small.loss.terms[0]', 'peers.small.loss.terms[1]']);
  expect([...peersOf(changed)].map(([peer, { loss }]) => [peer, loss])).toEqual([
    ['big', { labels: { weight: 1, smoothing: 0 }, terms: [{ module: 'shared.mjs', weight: 1 }] }],
    [
      'small',
      {
        ...OWN_LOSS,
        terms: [
          { module: 'own.mjs', weight: 2 },
          { loss: 'dkd', weight: 3 },
        ],
      },
    ],
  ]);
});
