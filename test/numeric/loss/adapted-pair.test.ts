/** Pairs of taps that a loss gets in one shape: pooled, and projected by a trained kernel; through a user's module as well. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PeerRecipe } from '../../../src/config/schema.js';
import { adaptedStudent } from '../../../src/losses/adapted-pair.js';
import { knobsOfLoss, loadStageLoss, type StageLoss } from '../../../src/losses/stage-loss.js';
import { shapesOf } from '../../../src/nn/knowledge-model.js';
import { reduce } from '../../../src/nn/reduction/catalogue.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeReduction } from '../../support/reduction-suite.js';

const SHAPES: Readonly<Record<string, readonly number[]>> = { own: [4, 4, 2], teacher: [2, 2, 3], vector: [3] };
const source = {
  classes: 3,
  layer: (layer: string) => SHAPES[layer] as readonly number[],
  image: () => SHAPES.own as readonly number[],
};

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'adapted-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** The loss of a stage whose only term is a module with this declaration: half the squared distance of each pair. */
async function lossOf(name: string, declaration: string, taps: readonly (readonly [string, string])[]): Promise<StageLoss> {
  const module = join(folder, `${name}.mjs`);
  const sum = `export function sum({ student, other, labels }, knobs, { core: tf }) {
    const pairs = student.map((own, i) => tf.mul(tf.sum(tf.squaredDifference(own, other[i])), 0.5));
    return { sum: tf.addN(pairs), count: labels.class_B.shape[0] };
  }`;
  await writeFile(module, `export const declaration = ${declaration};\n${sum}`);
  const loss = { labels: { weight: 0, smoothing: 0 }, terms: [{ module, taps }] } as unknown as PeerRecipe['loss'];
  return loadStageLoss({ loss }, () => ({ student: source.layer, other: source.layer }));
}

describeEachEngine(() => {
  describeReduction({ spec: { name: 'pool-map', options: { height: 2, width: 3 } }, shape: [4, 5, 3] });

  test('a map is pooled by hand: each place is the mean of the places that it covers', () => {
    const pooled = tf.tidy(() => {
      const map = tf.tensor([1, 2, 3, 4, 5, 6], [1, 2, 3, 1]);
      return [...reduce(map, { name: 'pool-map', options: { height: 1, width: 2 } }).dataSync()];
    });
    // The columns from 0 to 1 and from 1 to 2.
    expect(pooled).toEqual([3, 4]);
  });

  test('a projection by hand, of maps and of vectors; a pair without one is left as it is', () => {
    tf.tidy(() => {
      const student = [tf.tensor([1, 2, 3, 4], [1, 1, 2, 2]), tf.tensor([5, 6], [1, 2]), tf.tensor([1, 2, 3, 4], [2, 2])];
      const adapters = {
        'pair1-kernel': tf.tensor([1, 0, 2, 0, 1, -1], [1, 1, 2, 3]),
        'pair1-bias': tf.tensor([0.5, 0, -1]),
        'pair3-kernel': tf.tensor([2, 10], [2, 1]),
        'pair3-bias': tf.tensor([0.25]),
      };
      const [map, same, vector] = adaptedStudent({ student, adapters });
      expect({ shape: map?.shape, data: [...(map?.dataSync() ?? [])] }).toEqual({ shape: [1, 1, 2, 3], data: [1.5, 2, -1, 3.5, 4, 1] });
      expect(same).toBe(student[1]);
      expect({ shape: vector?.shape, data: [...(vector?.dataSync() ?? [])] }).toEqual({ shape: [2, 1], data: [22.25, 46.25] });
    });
  });

  test("a user's module with adapts gets both sides in one shape; the gradients of map, kernel and bias are those by hand", async () => {
    const loss = await lossOf('adapts', '{ takesTaps: true, adapts: true }', [['own', 'teacher']]);
    expect(loss.adapters.map(({ name, shape }) => [name, shape])).toEqual([
      ['adapts.pair1-kernel', [1, 1, 2, 3]],
      ['adapts.pair1-bias', [3]],
    ]);
    expect(shapesOf(loss.student, source)).toEqual([[3], [2, 2, 2]]);
    expect(shapesOf(loss.sides[0]?.specs ?? [], source)).toEqual([[2, 2, 3]]);
    tf.tidy(() => {
      const labels = { class_B: tf.tensor1d([0], 'int32'), mixed: null };
      const knobs = Object.fromEntries(Object.entries(knobsOfLoss(loss, { epoch: 0, epochs: 1 })).map(([n, v]) => [n, tf.scalar(v)]));
      const teacher = tf.zeros([1, 2, 2, 3]);
      const call = (map: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) =>
        loss.sum({ labels, student: [tf.zeros([1, 3]), map], other: [teacher], adapters: [kernel, bias] }, knobs).mean;
      // Every place is (1, 2), and the kernel makes of it (1 + 0, 2 + 4, 3 - 2) + the bias = (1, 6, 2).
      const map = tf.tensor([1, 2, 1, 2, 1, 2, 1, 2], [1, 2, 2, 2]);
      const kernel = tf.tensor([1, 2, 3, 0, 2, -1], [1, 1, 2, 3]);
      const bias = tf.tensor([0, 0, 1]);
      const { value, grads } = tf.valueAndGrads(call)([map, kernel, bias]);
      expect(value.dataSync()[0]).toBeCloseTo((4 * (1 + 36 + 4)) / 2, 4);
      const expected = [Array.from({ length: 4 }, () => [1 + 12 + 6, 12 - 2]).flat(), [4, 24, 8, 8, 48, 16], [4, 24, 8]];
      expect(grads.map((gradient) => [...gradient.dataSync()])).toEqual(expected);
    });
  });
});

describe("a user's module", () => {
  test('without adapts gets the layers as they are', async () => {
    const loss = await lossOf('plain', '{ takesTaps: true }', [['own', 'teacher']]);
    expect(loss.adapters).toEqual([]);
    expect(shapesOf(loss.student, source)).toEqual([[3], [4, 4, 2]]);
  });

  test.each([
    ['no-taps', '{ adapts: true }', /adapts is true, and the loss does not take taps of both sides\. Add takesTaps/],
    ['one-side', '{ adapts: true, takesTaps: true, takesOther: false }', /does not take taps of both sides/],
    ['needs', '{ adapts: true, takesTaps: true, needs() {} }', /has both adapts: true, .* Leave one of them out/],
  ])('whose declaration contradicts itself is refused: %s', async (name, declaration, message) => {
    await expect(lossOf(name, declaration, [['own', 'vector']])).rejects.toThrow(message);
  });
});
