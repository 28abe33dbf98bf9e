import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { buildModel } from '../../../src/nn/build.js';
import { arenaSchemaOf, readArena } from '../../../src/nn/weights.js';

const CONTEXT = { inputShape: [8, 8, 2], classes: 3, seed: 1 } as const;
const moduleFile = (name: string) => fileURLToPath(new URL(`module/${name}`, import.meta.url));

async function errorOf(spec: Parameters<typeof buildModel>[0]): Promise<StillhouseError> {
  const error = await buildModel(spec, CONTEXT).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  // A model that is refused, or half built, is nobody's: the process ends with it.
  tf.disposeVariables();
  expect(error).toBeInstanceOf(StillhouseError);
  expect((error as StillhouseError).code).toBe('model.invalid');
  return error as StillhouseError;
}

beforeAll(async () => {
  await openEngine('cpu');
});

describe('by name', () => {
  test.each([
    ['an unknown model', 'resnet21', {}, /no model 'resnet21'; did you mean "resnet20"\?/],
    ['an unknown option', 'resnet20', { shortcuts: 'A' }, /'resnet20' has no option 'shortcuts'; did you mean "shortcut"\?/],
    ['an option of a preset', 'cnn-student', { hidden: 3 }, /'cnn-student' has no option 'hidden'; there is none/],
    ['a bad value', 'resnet20', { shortcut: 'C' }, /option 'shortcut' of model 'resnet20'.*"A"/],
    ['a bad list', 'cnn', { channels: '8;16' }, /option 'channels' of model 'cnn'.*whole numbers with commas/],
    ['images too small', 'cnn', { channels: '1,1,1,1', down: 'pool' }, /'cnn' cannot be built for images of 8x8x2.*after 4 halvings/],
  ])('%s', async (_, name, options, message) => {
    expect((await errorOf({ name, options })).message).toMatch(message);
  });
});

describe("a user's module", () => {
  test.each([
    ['throws', /bad\.mjs:\d+:\d+: build failed: out of ideas/],
    ['not-a-model', /did not return a LayersModel.*the 'tf' that build is given/],
    ['classes', /output is \[null,4\], not \[null,3\].*context\.classes/],
    ['map', /output is \[null,8,8,2\], not \[null,3\]/],
    ['two-outputs', /output is \[null,3\] and \[null,3\], not \[null,3\]/],
    ['input', /input is \[null,5,5,1\], not \[null,8,8,2\].*context\.inputShape/],
    ['softmax', /ends with a softmax \(layer 'probabilities'\), and the losses take logits/],
    ['sigmoid-layer', /ends with a sigmoid \(layer 'squashed'\)/],
    ['relu-layer', /ends with a relu \(layer 'positive'\)/],
    ['nested-softmax', /ends with a softmax \(layer 'inner'\)/],
    ['regularizer', /'penalised' has a kernelRegularizer.*weightDecay/],
    ['constraint', /'bounded' has a kernelConstraint/],
    ['seed', /'same' has a seed: .*the same places at every step.*Leave the seed out/],
    ['wrong-tf', /tf\.model is not a function.*tf\.core .* and tf\.layers/],
    ['norm-axis', /'rows' normalises axis 1/],
    ['custom-layer', /'twice' is a Doubling.*stock layers/],
  ])('%s', async (mistake, message) => {
    expect((await errorOf({ module: moduleFile('bad.mjs'), options: { mistake } })).message).toMatch(message);
  });

  test('not there', async () => {
    const error = await errorOf({ module: moduleFile('nowhere.mjs'), options: {} });
    expect(error.message).toMatch(/nowhere\.mjs: cannot load the module/);
    expect(error.details.hint).toMatch(/path of a JavaScript module/);
  });

  test('not JavaScript', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'stillhouse '));
    await writeFile(join(folder, 'broken.mjs'), 'export function build( {');
    const error = await errorOf({ module: join(folder, 'broken.mjs'), options: {} });
    expect(error.message).toMatch(/broken\.mjs: cannot load the module/);
    await rm(folder, { recursive: true });
  });

  test('no build among its exports', async () => {
    expect((await errorOf({ module: moduleFile('no-build.mjs'), options: {} })).message).toMatch(/exports model, but no function 'build'/);
  });

  test('a good one is built with its options; its schema is the same each time, although tfjs numbers the layers', async () => {
    const spec = { module: moduleFile('good.mjs'), options: { filters: 5 } };
    const models = [await buildModel(spec, CONTEXT), await buildModel(spec, CONTEXT)] as const;
    const [one, two] = models.map((model) => arenaSchemaOf(model)) as [ReturnType<typeof arenaSchemaOf>, ReturnType<typeof arenaSchemaOf>];
    expect(two).toEqual(one);
    expect(one.entries.map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      'conv2d-1/kernel kernel',
      'batchnormalization-2/gamma norm-scale',
      'batchnormalization-2/beta norm-shift',
      'depthwiseconv2d-3/depthwise_kernel kernel',
      'depthwiseconv2d-3/bias bias',
      'prelu-4/alpha other',
      'dense-6/kernel kernel',
      'dense-6/bias bias',
      'dense-7/kernel kernel',
      'dense-7/bias bias',
      'batchnormalization-2/moving_mean norm-mean',
      'batchnormalization-2/moving_variance norm-variance',
    ]);
    expect(readArena(models[0], one).length).toBe(one.size);
    for (const model of models) model.dispose();
  });
});
