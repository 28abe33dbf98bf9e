import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { openEngine } from '../../../src/engines/catalogue.js';
import { buildModel } from '../../../src/nn/build.js';
import { arenaSchemaOf, readArena, writeArena } from '../../../src/nn/weights.js';

const CONTEXT = { inputShape: [8, 8, 1], classes: 3, seed: 1 } as const;
const build = (name: string, changes: Partial<typeof CONTEXT> | { classes: number } = {}) =>
  buildModel({ name, options: {} }, { ...CONTEXT, ...changes });

beforeAll(async () => {
  await openEngine('cpu');
});

test('entries lie one after the other, trainable ones first, with the kinds that the optimiser goes by', async () => {
  const model = await build('resnet8');
  const { entries, size, hash } = arenaSchemaOf(model);
  let offset = 0;
  for (const entry of entries) {
    expect(entry.offset).toBe(offset);
    expect(entry.size).toBe(entry.shape.reduce((a, b) => a * b, 1));
    offset += entry.size;
  }
  expect(size).toBe(offset);
  expect(hash).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  const statistics = entries.filter(({ trainable }) => !trainable);
  expect(entries.slice(-statistics.length)).toEqual(statistics);
  expect(new Set(statistics.map(({ kind }) => kind))).toEqual(new Set(['norm-mean', 'norm-variance']));
  const kinds = Object.fromEntries(entries.map(({ name, kind }) => [name, kind]));
  expect(kinds).toMatchObject({
    'stem.conv/kernel': 'kernel',
    'stem.norm/gamma': 'norm-scale',
    'stem.norm/beta': 'norm-shift',
    'logits/bias': 'bias',
  });
  model.dispose();
});

test('the hash is equal for models that may exchange arenas, and for no others', async () => {
  const models = await Promise.all([build('resnet8'), build('resnet8'), build('resnet14'), build('resnet8', { classes: 4 })]);
  const [one, same, deeper, wider] = models.map((model) => arenaSchemaOf(model).hash);
  expect(same).toBe(one);
  expect(new Set([one, deeper, wider]).size).toBe(3);
  for (const model of models) model.dispose();
});

test('what is written is read, and neither side shares memory with the model', async () => {
  const model = await build('resnet8');
  const schema = arenaSchemaOf(model);
  const tensors = tf.memory().numTensors;
  const arena = Float32Array.from({ length: schema.size }, (_, i) => i / 1000);
  writeArena(model, schema, arena);
  const written = arena.slice();
  arena.fill(Number.NaN);
  const read = readArena(model, schema);
  expect(read).toEqual(written);
  read.fill(Number.NaN);
  expect(readArena(model, schema)).toEqual(written);
  const bias = schema.entries.find(({ name }) => name === 'logits/bias');
  expect(model.getLayer('logits').getWeights()[1]?.dataSync()).toEqual(written.subarray(bias?.offset, (bias?.offset ?? 0) + 3));
  expect(tf.memory().numTensors).toBe(tensors);
  model.dispose();
});

test('an arena of another length is a broken invariant', async () => {
  const model = await build('cnn-student');
  const schema = arenaSchemaOf(model);
  expect(() => writeArena(model, schema, new Float32Array(schema.size - 1))).toThrow(
    `${schema.size - 1} elements for a model of ${schema.size}`,
  );
  model.dispose();
});
