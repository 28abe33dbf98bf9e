/**
 * The tests that every reduction must pass, on every engine: the shape that it foretells, sample by sample, nothing that is not a
 * number, options that it does not have. A loss's suite runs them for what its declaration asks for; so a reduction needs no
 * test file of its own. Its value and its gradient are held by the loss's formula.
 */

import * as tf from '@tensorflow/tfjs-core';
// tfjs-core alone knows no gradients: this registers them.
import '@tensorflow/tfjs-layers';
import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { reduce, shapeOf } from '../../src/nn/reduction/catalogue.js';
import type { ReductionSpec } from '../../src/tensor/knowledge.js';
import { somePlain } from './plain-tensor.js';

export interface ReductionCase {
  readonly spec: ReductionSpec;
  /** The tap's, without the batch. */
  readonly shape: readonly number[];
}

/** Declares the tests, inside `describeEachEngine`. */
export function describeReduction({ spec, shape }: ReductionCase): void {
  describe(`the reduction ${spec.name} ${JSON.stringify(spec.options)} of [${shape.join(', ')}]`, () => {
    const SIZE = 3;
    const someTap = () => tf.tensor(somePlain(new Prng(shape.length), [SIZE, ...shape]).data as number[], [SIZE, ...shape]);

    test('has the shape that it foretells', () => {
      tf.tidy(() => {
        expect(reduce(someTap(), spec).shape).toEqual([SIZE, ...shapeOf(spec, shape)]);
      });
    });

    test('goes sample by sample', () => {
      tf.tidy(() => {
        const tap = someTap();
        const parts = Array.from({ length: SIZE }, (_, b) => reduce(tf.slice(tap, b, 1), spec));
        const error = tf.max(tf.abs(tf.sub(tf.concat(parts), reduce(tap, spec)))).dataSync()[0];
        expect(error).toBeLessThan(1e-5);
      });
    });

    test('of zeros it is finite, and so is its gradient', () => {
      tf.tidy(() => {
        const { value, grad } = tf.valueAndGrad((tap) => tf.sum(reduce(tap, spec)))(tf.zeros([SIZE, ...shape]));
        expect([...value.dataSync(), ...grad.dataSync()].filter((number) => !Number.isFinite(number))).toEqual([]);
      });
    });

    test('refuses an option that it does not have, and a tap of too many axes', () => {
      const odd = { ...spec, options: { ...spec.options, 'no-such-option': 1 } };
      expect(() => shapeOf(odd, shape)).toThrow(/there is no option "no-such-option"/);
      expect(() => shapeOf(spec, [...shape, 2])).toThrow(expect.objectContaining({ code: 'model.invalid' }));
    });
  });
}
