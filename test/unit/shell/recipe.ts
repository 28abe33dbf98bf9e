/** A small recipe on the package's own images. */

import { parseRecipe } from '../../../src/config/load.js';
import type { Recipe } from '../../../src/config/schema.js';

export const RECIPE = {
  name: 'tiny',
  data: {
    format: 'idx',
    path: 'builtin:fashion-mnist',
    normalise: { mean: [0.286], std: [0.353] },
    splits: { few: { part: 'test', from: 0, to: 64 }, test: { part: 'test', from: 9900, to: 10000 } },
  },
  models: { small: { name: 'cnn-student' } },
  stages: {
    base: { kind: 'train', model: 'small', on: 'few', test: 'test', epochs: 1, batch: 32, optimizer: { name: 'adam', rate: 0.003 } },
  },
};

export const tinyRecipe = (change: object = {}): Recipe => parseRecipe(JSON.stringify({ ...RECIPE, ...change }));
