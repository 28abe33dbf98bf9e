import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { reduce, shapeOf } from '../../../src/nn/reduction/catalogue.js';
import type { AttentionOptions } from '../../support/attention-reference.js';
import { describeEachEngine } from '../../support/each-engine.js';
import type { Plain } from '../../support/plain-tensor.js';

interface GoldenCase {
  readonly options: AttentionOptions;
  readonly map: Plain;
  readonly reduced: readonly number[];
  readonly dy: Plain;
  readonly gradient: readonly number[];
}
const GOLDEN = JSON.parse(readFileSync(new URL('golden/attention.json', import.meta.url), 'utf8')) as { cases: GoldenCase[] };

/** The reduced map, and the gradient of its product with `dy` (all ones when left out). */
function attention(map: Plain, options: AttentionOptions, dy?: Plain): { reduced: number[]; gradient: number[] } {
  return tf.tidy(() => {
    const spec = { name: 'attention', options: { ...options } };
    const input = tf.tensor([...map.data], [...map.shape]);
    const reduced = reduce(input, spec);
    const weight = dy === undefined ? tf.onesLike(reduced) : tf.tensor([...dy.data], [...dy.shape]);
    const gradient = tf.grad((x) => tf.sum(tf.mul(reduce(x, spec), weight)))(input);
    return { reduced: [...reduced.dataSync()], gradient: [...gradient.dataSync()] };
  });
}

function expectClose(found: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(found[i]! - value), `${i}: ${found[i]} and ${value}`).toBeLessThan(tolerance);
  });
}

describeEachEngine(() => {
  test.each(GOLDEN.cases.map((call, i) => [i, call] as const))(
    'golden numbers of PyTorch: case %i',
    (_, { options, map, reduced, dy, gradient }) => {
      const found = attention(map, options, dy);
      expectClose(found.reduced, reduced, 2e-6);
      expectClose(found.gradient, gradient, 2e-5 * Math.max(...gradient.map(Math.abs)));
    },
  );

  test('by hand: the energies of two channels are 5 and 20 on average, so the unit vector is (1, 4) / sqrt 17', () => {
    const { reduced } = attention({ shape: [1, 1, 2, 2], data: [1, 3, 2, -6] }, { p: 2, height: 1, width: 2 });
    expectClose(reduced, [1 / Math.sqrt(17), 4 / Math.sqrt(17)], 1e-6);
  });

  test('a map of zeros stays one, with a gradient of zero', () => {
    const { reduced, gradient } = attention({ shape: [2, 2, 2, 1], data: Array(8).fill(0) as number[] }, { p: 2, height: 2, width: 1 });
    expect(reduced).toEqual([0, 0, 0, 0]);
    expect(gradient.map(Math.abs)).toEqual(Array(8).fill(0));
  });

  test('the shape is the one that is foretold', () => {
    const spec = { name: 'attention', options: { p: 2, height: 3, width: 2 } };
    tf.tidy(() => {
      expect(reduce(tf.ones([5, 7, 4, 3]), spec).shape).toEqual([5, ...shapeOf(spec, [7, 4, 3])]);
    });
  });
});

describe('a reduction that cannot be', () => {
  const good = { p: 2, height: 2, width: 2 };
  const refused: readonly (readonly [string, string, object, readonly number[], RegExp])[] = [
    ['name', 'atention', good, [4, 4, 3], /there is no reduction "atention"; did you mean "attention"\?/],
    ['inherited name', 'toString', good, [4, 4, 3], /there is no reduction "toString"/],
    ['option', 'attention', { ...good, q: 1 }, [4, 4, 3], /there is no option "q"; there is: p, height, width/],
    ['exponent left out', 'attention', { height: 2, width: 2 }, [4, 4, 3], /p must be a number from 1, not NaN/],
    ['exponent below 1', 'attention', { ...good, p: 0.5 }, [4, 4, 3], /p must be a number from 1, not 0\.5/],
    ['exponent without end', 'attention', { ...good, p: Number.POSITIVE_INFINITY }, [4, 4, 3], /p must be/],
    ['larger map', 'attention', { ...good, height: 5 }, [4, 4, 3], /a map of 4x4 cannot be pooled to 5x2/],
    ['part of a place', 'attention', { ...good, width: 1.5 }, [4, 4, 3], /cannot be pooled to 2x1\.5/],
    ['no place', 'attention', { ...good, width: 0 }, [4, 4, 3], /cannot be pooled to 2x0/],
    ['vector', 'attention', good, [64], /takes maps of height, width and channels, and this layer puts out \[64\]\. Tap a convolution/],
  ];
  test.each(refused)('%s', (_, name, options, shape, message) => {
    expect(() => shapeOf({ name, options: options as Record<string, number> }, shape)).toThrow(message);
  });
});
