/** The faults that only a training step of a recipe's models shows, in a process of its own: refusals, warnings, and a module that hangs. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { type CheckedRecipe, type CheckOptions, checkRecipe } from '../../../src/recipe/check-recipe.js';
import { loadRecipe } from '../../../src/recipe/load-recipe.js';
import { askTrial } from '../../../src/recipe/trial/ask-trial.js';
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

  test('layers frozen so that nothing trains: the hints of one layer reach that layer alone', async () => {
    const loss = 'loss: { labels: { weight: 0 }, terms: [{ loss: fitnets, taps: [[conv1, conv1]] }] }';
    const hints = (freeze: string) => `  hints: { kind: distil, teacher: base, model: small, ${STAGE}, ${loss}, freeze: { ${freeze} } }\n`;
    const error = await failure('{ name: cnn-teacher }', hints('through: conv1'));
    expect(error.message).toMatch(
      /recipe\.yaml:10:\d+: stages\.hints\.freeze: nothing of the student trains in hints: conv1 and all before it are frozen, .*Did you mean freeze: \{ after: conv1 \}\?/,
    );
    expect((await check('{ name: cnn-teacher }', hints('after: conv1'))).tried).toEqual(['base', 'hints']);
  });

  test('a module that ends the process', async () => {
    const error = await failure(await modelWith('process.exit(3);'));
    expect(error.message).toMatch(/models\.own: \S.*model-\d+\.mjs: while the model was built: its process ended \(exit code 3\)/);
  });

  test('a build that never returns', async () => {
    const error = await failure(await modelWith('for (;;) {}'), '', { trialMs: 6_000 });
    expect(error.message).toMatch(
      /models\.own: \S.*model-\d+\.mjs: the model is not built within 6 s\. .*If the module is only slow, --quick/,
    );
  });

  test('a loss that never returns', async () => {
    const name = `loss-${modules++}.mjs`;
    await writeFile(join(folder, name), 'export const declaration = {};\nexport function sum() {\n  for (;;) {}\n}\n');
    const stage = `  taught: { kind: distil, teacher: base, model: small, ${STAGE}, loss: { terms: [{ module: ./${name} }] } }\n`;
    const error = await failure('{ name: cnn-student }', stage, { trialMs: 6_000 });
    expect(error.message).toMatch(
      /recipe\.yaml:10:\d+: stages\.taught\.loss\.terms\[0\]: \S.*loss-\d+\.mjs: the term, on two images, is not computed within 6 s\. /,
    );
    expect(error.code).toBe('loss.invalid');
  });
});

describe('warned of', () => {
  const zeros = "kernelInitializer: 'zeros'";

  test('a layer that never gets a gradient', async () => {
    const own = await modelWith(
      `const hidden = tf.layers.dense({ name: 'hidden', units: 4, activation: 'relu', ${zeros} }).apply(flat);
  return end(tf.layers.dense({ units: classes, ${zeros} }).apply(hidden));`,
    );
    expect((await check(own)).warnings).toContain(
      'base: no gradient reaches the layer hidden of models.own, so it learns nothing in this stage',
    );
  });

  test('a stage that is not trained in bf16, as the recipe wishes', async () => {
    const stage = (loss: string) =>
      `  taught: { kind: distil, teacher: base, model: small, ${STAGE}, loss: { terms: [{ loss: ${loss} }] } }\n`;
    const warned = (loss: string) => check('{ name: cnn-student }', stage(loss), { set: ['engine.precision=bf16'] });
    const warning = 'taught: engine.precision is bf16, and this stage trains in fp32: its loss takes the gradient by the images';
    expect((await warned('gradient-attention')).warnings).toContainEqual(expect.stringContaining(warning));
    expect((await warned('hinton')).warnings.join()).not.toContain('fp32');
  });

  test('not a layer that gets one from the second step on', async () => {
    const own = await modelWith(
      `const hidden = tf.layers.dense({ name: 'hidden', units: 4 }).apply(flat);
  return end(tf.layers.dense({ units: classes, ${zeros} }).apply(hidden));`,
    );
    expect((await check(own)).warnings.join()).not.toContain('gradient');
  });

  test('a step that never ends: which models are left, those without code of the user are tried', async () => {
    const own = await modelWith(
      `const last = tf.layers.dense({ units: classes });
  const model = end(last.apply(flat));
  last.call = () => {
    for (;;) {}
  };
  return model;`,
    );
    const { warnings, tried } = await check(own, `  plain: { kind: train, model: small, ${STAGE} }\n`, { trialMs: 6_000 });
    expect(tried).toEqual(['plain']);
    expect(warnings.join()).toMatch(
      /no training step was tried of base: after 6 s the trial was still at stages\.base\.model \(\S.*model-\d+\.mjs\)/,
    );
  });
});

test('the trial opens no file of the data: the command tells it their shape, and reads them once', async () => {
  const { recipe, data } = await check('{ name: cnn-student }', '', { isQuick: true });
  const elsewhere = await loadRecipe(join(folder, 'recipe.yaml'), { set: [`data.path=${join(folder, 'nowhere')}`] });
  expect(elsewhere.data).toEqual({ ...recipe.data, path: join(folder, 'nowhere') });
  const [signal, pixels] = [new AbortController().signal, new Uint8Array(6 * 28 * 28).map((_, i) => (31 * i) % 256)];
  const few = { height: 28, width: 28, channels: 1, classes: 10, count: 6, pixels, labels: Int32Array.of(0, 1, 2, 3, 4, 5) };
  const examples = Promise.resolve({ few });
  const findings = await askTrial(elsewhere, { data, given: { stages: [], folders: [] }, isQuick: false, examples, signal });
  expect(findings).toMatchObject({ tried: ['base'], warnings: [] });
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
