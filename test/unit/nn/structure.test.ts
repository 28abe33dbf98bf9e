/** The structure of a model: the same wherever and whenever it is built, another one when the model computes something else. */

import { input, type LayersModel, layers, model, type SymbolicTensor, sequential } from '@tensorflow/tfjs-layers';
import { beforeAll, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { structureOf } from '../../../src/nn/structure.js';
import { disposeModel } from '../../../src/nn/weights.js';
import { FOREIGN_MODELS } from '../../support/foreign-model.js';

/** Two of them have a model within the model, or layers with several inputs. */
const FOREIGN = [FOREIGN_MODELS.branches, FOREIGN_MODELS.excited, FOREIGN_MODELS.siamese].map((build) => present(build, 'a model'));
const SHAPE = { inputShape: [8, 8, 2], classes: 3 } as const;

beforeAll(async () => {
  await openEngine('cpu');
});

function structure(built: LayersModel): ReturnType<typeof structureOf> {
  try {
    return structureOf(built);
  } finally {
    disposeModel(built);
  }
}

interface SmallOptions {
  readonly kernelInitializer?: 'zeros';
  readonly activation?: 'relu' | 'tanh';
  readonly name?: string;
  readonly isTrainable?: boolean;
  readonly isSwapped?: boolean;
}

/** Two branches of the same shapes that are subtracted in a nested model: of its connections, the digest alone knows. */
function small({ activation = 'relu', kernelInitializer, name, isTrainable = true, isSwapped = false }: SmallOptions = {}): LayersModel {
  const image = input({ shape: [4] });
  const branch = (trainable: boolean, own?: string) =>
    layers.dense({
      units: 3,
      activation,
      trainable,
      ...(own === undefined ? {} : { name: own }),
      ...(kernelInitializer === undefined ? {} : { kernelInitializer }),
    });
  const first = branch(true, name).apply(image) as SymbolicTensor;
  const second = layers.dropout({ rate: 0.5 }).apply(branch(isTrainable).apply(image)) as SymbolicTensor;
  const joined = layers.concatenate().apply(isSwapped ? [second, first] : [first, second]) as SymbolicTensor;
  const head = sequential({ layers: [layers.dense({ units: 2, inputShape: [6] })] });
  return model({ inputs: image, outputs: head.apply(joined) as SymbolicTensor });
}

test('the same in any order of building, for layers without names too', () => {
  const first = FOREIGN.map((build) => structure(build(SHAPE)));
  const own = structure(small());
  const again = [...FOREIGN].reverse().map((build) => structure(build(SHAPE)));
  expect(again.reverse()).toEqual(first);
  expect(structure(small())).toEqual(own);
  expect(own).toMatchObject({ layers: 6, parameters: 2 * 15 + 14 });
  expect(new Set([...first, own].map(({ digest }) => digest)).size).toBe(first.length + 1);
});

test('the same in every process: these digests change only with the models', async () => {
  expect(structure(small()).digest.slice(0, 12)).toBe('cbb85ea8720a');
  const built = await buildModel({ name: 'cnn-student', options: {} }, { ...SHAPE, seed: 5 });
  expect(structure(built).digest.slice(0, 12)).toBe('d8633e21a604');
});

test('initial parameters are not in it; activations, names, connections and what trains are', () => {
  const { digest } = structure(small());
  expect(structure(small({ kernelInitializer: 'zeros' })).digest).toBe(digest);
  const others = [{ activation: 'tanh' as const }, { name: 'branch' }, { isSwapped: true }, { isTrainable: false }];
  const digests = others.map((options) => structure(small(options)).digest);
  expect(new Set([digest, ...digests]).size).toBe(others.length + 1);
});
