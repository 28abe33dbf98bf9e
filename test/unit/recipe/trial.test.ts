/** The faults that only a training step of a recipe's models shows, in a process of its own: refusals, warnings, and a module that hangs. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { type CheckedRecipe, type CheckOptions, checkRecipe } from '../../../src/recipe/check-recipe.js';
import { examplePlaces } from '../../../src/recipe/trial/examples.js';
import { describeProbabilities } from '../../../src/recipe/trial/probabilities.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trial '));
});
afterAll(() => rm(folder, { recursive: true }));

const MODEL_LINE = 7;
const STAGE = 'on: few, test: few, epochs: 3, batch: 64, optimizer: { name: sgd, rate: 0.01 }';

/** Checks a recipe with the stages `base`, of the model `own`, and these. */
async function check(own: string, stages = '', options: CheckOptions = {}): Promise<CheckedRecipe> {
  const file = join(folder, 'recipe.yaml');
  const recipe = `name: tried
data:
  format: idx
  path: builtin:fashion-mnist
  normalise: { mean: [0.286], std: [0.353] }
  splits: { few: { part: test, to: 500 } }
models: { own: ${own}, small: { name: cnn-student } }
stages:
  base: { kind: train, model: own, ${STAGE} }
${stages}`;
  await writeFile(file, recipe);
  return checkRecipe(file, options);
}

async function failure(own: string, stages = '', options: CheckOptions = {}): Promise<StillhouseError> {
  const error = await check(own, stages, options).catch((reason: unknown) => reason);
  if (error instanceof StillhouseError) return error;
  throw new Error(`the recipe was accepted, or broke the program: ${String(error)}`);
}

let modules = 0;
/** A model's module with this body of `build`. */
async function modelWith(body: string): Promise<string> {
  const name = `model-${modules++}.mjs`;
  await writeFile(
    join(folder, name),
    `export function build({ inputShape, classes }, { core, layers: tf }) {
  const start = tf.input({ shape: inputShape });
  const flat = tf.layers.flatten().apply(start);
  const end = (outputs) => tf.model({ inputs: start, outputs });
  ${body}
}
`,
  );
  return `{ module: ./${name} }`;
}

test('a step of every model that is trained, with its teacher and the other peers', async () => {
  const checked = await check(
    '{ name: cnn-teacher }',
    `  taught: { kind: distil, teacher: base, model: small, ${STAGE}, loss: { terms: [{ loss: attention-transfer, taps: [[conv1, pool1]] }] } }
  pair: { kind: mutual, teacher: base, fromTeacher: { weight: 1 }, peers: { big: { model: own }, little: { model: small } }, ${STAGE} }
  seen: { kind: evaluate, of: taught, test: few }
`,
  );
  expect(checked.tried).toEqual(['base', 'taught', 'pair.big', 'pair.little']);
  expect(checked.engine).toBe('wasm');
  expect(checked.parameters).toEqual({ own: 52_138, small: 4_266 });
  expect(checked.warnings.filter((text) => !text.includes('was trained on'))).toEqual([]);
});

test('an operation that wasm lacks: tried on cpu, unless the workers are to use wasm', async () => {
  const own = await modelWith(
    `const last = tf.layers.dense({ units: classes });
  const same = tf.layers.activation({ activation: 'linear' });
  const model = end(last.apply(tf.layers.flatten().apply(same.apply(start))));
  same.call = ([x]) => core.real(core.complex(x, core.zerosLike(x)));
  return model;`,
  );
  expect(await check(own)).toMatchObject({ tried: ['base'], engine: 'cpu' });
  const error = await failure(own, '', { set: ['workers.engine=wasm'] });
  expect(error.message).toMatch(/models\.own: .*Kernel 'Complex' not registered for backend 'wasm'/);
});

describe('refused', () => {
  test('a softmax that only the numbers show; --quick does not see it', async () => {
    const own = await modelWith(
      "return end(tf.layers.activation({ activation: 'linear' }).apply(tf.layers.dense({ units: classes, activation: 'softmax' }).apply(flat)));",
    );
    const error = await failure(own);
    expect(error.message).toMatch(
      /recipe\.yaml:7:\d+: models\.own: \S.*model-\d+\.mjs: the outputs are probabilities: .* Leave the softmax/,
    );
    expect(error).toMatchObject({ code: 'model.invalid', details: { line: MODEL_LINE } });
    expect((await check(own, '', { isQuick: true })).tried).toEqual([]);
  });

  test("an error in the user's code, with its file and line", async () => {
    const own = await modelWith(
      `const last = tf.layers.dense({ units: classes });
  const model = end(last.apply(flat));
  last.call = () => {
    throw new Error('no luck');
  };
  return model;`,
    );
    const error = await failure(own);
    expect(error.message).toMatch(/stages\.base\.model: \S.*model-\d+\.mjs:8:\d+: models\.own: no luck\. The module threw this/);
    expect(error).toMatchObject({ code: 'model.invalid', exitCode: 2 });
  });

  test('outputs that are not finite', async () => {
    const own = await modelWith(
      'return end(tf.layers.dense({ units: classes, biasInitializer: tf.initializers.constant({ value: Infinity }) }).apply(flat));',
    );
    expect((await failure(own)).message).toMatch(/models\.own: .*the outputs are not finite/);
  });

  test.each([
    ['value', 'tf.sum(tf.log(tf.mul(tf.square(own), 0)))', /stages\.taught\.loss: the loss of a training step is not finite \(loss-\d+\)/],
    ['gradient', 'tf.sum(tf.sqrt(tf.mul(own, 0)))', /stages\.taught\.loss: the loss is finite, and its gradient by the layer conv1 is not/],
  ])('a loss without a finite %s', async (_, sum, message) => {
    const name = `loss-${modules++}.mjs`;
    await writeFile(
      join(folder, name),
      `export const declaration = {};\nexport const sum = ({ student: [own] }, knobs, { core: tf }) => ({ sum: ${sum}, count: own.shape[0] });\n`,
    );
    const loss = `loss: { terms: [{ loss: hinton }, { module: ./${name} }] }`;
    const error = await failure('{ name: cnn-student }', `  taught: { kind: distil, teacher: base, model: small, ${STAGE}, ${loss} }\n`);
    expect(error.message).toMatch(message);
    expect(error.code).toBe('loss.invalid');
  });

  test('a module that ends the process', async () => {
    const error = await failure(await modelWith('process.exit(3);'));
    expect(error.message).toMatch(/models\.own: \S.*model-\d+\.mjs: while the model was built: its process ended \(exit code 3\)/);
  });

  test('a build that never returns', async () => {
    const error = await failure(await modelWith('for (;;) {}'), '', { trialMs: 6_000 });
    expect(error.message).toMatch(
      /models\.own: \S.*model-\d+\.mjs: the model is not built within 6 s\. If the module is only slow, --quick/,
    );
  });
});

describe('warned of', () => {
  const zeros = "kernelInitializer: 'zeros'";

  test('a layer that never gets a gradient', async () => {
    const own = await modelWith(
      `const hidden = tf.layers.dense({ name: 'hidden', units: 4, activation: 'relu', ${zeros} }).apply(flat);
  return end(tf.layers.dense({ units: classes, ${zeros} }).apply(hidden));`,
    );
    expect((await check(own)).warnings).toContain('base: no gradient reaches the layer hidden of models.own, so it will never learn');
  });

  test('not a layer that gets one from the second step on', async () => {
    const own = await modelWith(
      `const hidden = tf.layers.dense({ name: 'hidden', units: 4 }).apply(flat);
  return end(tf.layers.dense({ units: classes, ${zeros} }).apply(hidden));`,
    );
    expect((await check(own)).warnings.join()).not.toContain('gradient');
  });

  test('a step that never ends: which models are left', async () => {
    const own = await modelWith(
      `const last = tf.layers.dense({ units: classes });
  const model = end(last.apply(flat));
  last.call = () => {
    for (;;) {}
  };
  return model;`,
    );
    const { warnings, tried } = await check(own, '', { trialMs: 3_000 });
    expect(tried).toEqual([]);
    expect(warnings.join()).toMatch(/no training step was tried of base: after 3 s the trial was still/);
  });
});

test('the samples of a step lie far apart', () => {
  expect(examplePlaces(60)).toEqual([0, 30, 10, 40, 20, 50]);
  expect(examplePlaces(1)).toEqual([0, 0, 0, 0, 0, 0]);
});

test.each([
  ['probabilities', [0.5, 0.5, 0.25, 0.75], true],
  ['logits', [-1, 2, 0.25, 0.75], false],
  ['a row that adds up to something else', [0.5, 0.5, 0.25, 0.5], false],
])('%s', (_, numbers, isFound) => {
  expect(describeProbabilities(Float32Array.from(numbers), 2) !== null).toBe(isFound);
});
