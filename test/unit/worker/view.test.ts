import { expect, test } from 'vitest';
import { MODEL_PEER } from '../../../src/config/peer.js';
import { initialSeed } from '../../../worker/kit/view.js';
import { smallRecipe } from './engine-room.js';

const recipe = smallRecipe('/data');
const seedOf = (model: string, peer: string) => initialSeed(recipe, { model, peer });

test('the seed of a stage with one peer is a golden value: a change would change the results of every recipe', () => {
  expect([seedOf('small', MODEL_PEER), seedOf('large', MODEL_PEER)]).toEqual([3549229422, 1987421122]);
});

test('no two peers and no two models begin alike', () => {
  const seeds = ['small', 'large'].flatMap((model) => [MODEL_PEER, 'big', 'little'].map((peer) => seedOf(model, peer)));
  expect(new Set(seeds).size).toBe(6);
});
