import { describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { LOSSES } from '../../../src/losses/catalogue.js';
import { similarity } from '../../../src/losses/similarity.js';
import { similarityDeclaration } from '../../../src/losses/similarity-declaration.js';
import { describeEachEngine } from '../../support/each-engine.js';
import { describeLoss, runLoss } from '../../support/loss-suite.js';
import { fromRows, type Plain } from '../../support/plain-tensor.js';
import { EXTREME_FEATURES, flattened, someFeatures } from '../../support/relation-case.js';

/** The rows of F F^T as unit vectors. */
function similaritiesOf(features: Plain): number[][] {
  const list = flattened(features);
  return list.map((a) => {
    const row = list.map((b) => a.reduce((sum, value, n) => sum + value * b[n]!, 0));
    const length = Math.hypot(...row);
    return row.map((value) => value / length);
  });
}

describeLoss({
  loss: LOSSES.similarity!,
  golden: 'similarity.json',
  cases: {
    'maps of different sizes': someFeatures([
      [
        [3, 2, 2],
        [4, 4, 3],
      ],
    ]),
    'two pairs of vectors and maps': someFeatures(
      [
        [[6], [3]],
        [[2, 2, 2], [5]],
      ],
      { weights: [1, 0.5] },
    ),
  },
  reference({ student, other, weights = student.map(() => 1), labels }) {
    return student.reduce((sum, own, i) => {
      const [a, b] = [similaritiesOf(own).flat(), similaritiesOf(other[i]!).flat()];
      return sum + (weights[i]! / labels.length) * a.reduce((total, value, j) => total + (value - b[j]!) ** 2, 0);
    }, 0);
  },
  extremes: EXTREME_FEATURES,
});

describeEachEngine(() => {
  const run = (own: readonly (readonly number[])[], teacher: readonly (readonly number[])[]) =>
    runLoss(
      { declaration: similarityDeclaration, method: similarity },
      { classes: 2, labels: own.map(() => 0), student: [fromRows(own)], other: [fromRows(teacher)] },
    );

  describe('by hand', () => {
    test('images that the student finds unlike and the teacher the same', () => {
      // G is the unit matrix for the student, and 1 / sqrt 2 everywhere for the teacher: each row has the squared distance 2 - sqrt 2.
      const { sum, count } = run(
        [
          [1, 0],
          [0, 1],
        ],
        [[3], [3]],
      );
      expect(count).toBe(2);
      expect(sum / count).toBeCloseTo((2 * (2 - Math.SQRT2)) / 4, 6);
    });

    test('a gathered batch has the same loss, from the features of both sides', () => {
      const call = someFeatures([
        [
          [3, 2, 2],
          [4, 4, 3],
        ],
      ])(new Prng(1), 6);
      const loss = { declaration: similarityDeclaration, method: similarity };
      expect(runLoss(loss, { ...call, isGathered: true })).toEqual(runLoss(loss, call));
    });

    test('neither the scale of the features nor a turn of them counts', () => {
      const { sum, gradients } = run(
        [
          [1, 2],
          [3, -1],
          [0, 1],
        ],
        [
          [20, -10, 0],
          [-10, -30, 0],
          [10, 0, 0],
        ],
      );
      expect(Math.abs(sum)).toBeLessThan(1e-10);
      expect(Math.max(...gradients[0]!.map(Math.abs))).toBeLessThan(1e-6);
    });
  });
});

describe('the declaration', () => {
  const needsOf = (own: readonly number[], teacher: readonly number[], isGathered = false) =>
    similarityDeclaration.needs(
      { taps: [['own', 'teacher']], weights: [1], constants: {}, isGathered },
      { student: () => own, other: () => teacher },
    );

  test('takes the maps and vectors of the student as they are, and the similarities of the other side', () => {
    const own = { of: 'tap', layer: 'own', reduce: null };
    expect(needsOf([8, 8, 16], [64])).toEqual({ student: [own], other: [{ of: 'similarity', layer: 'teacher' }], adapters: [] });
  });

  test('takes both sides as they are for a gathered batch, of which the other side never sees the whole', () => {
    const spec = (layer: string) => ({ of: 'tap', layer, reduce: null });
    expect(needsOf([8, 8, 16], [64], true)).toEqual({ student: [spec('own')], other: [spec('teacher')], adapters: [] });
  });

  test('refuses a layer that puts out neither, by name', () => {
    expect(() => needsOf([64], [5, 64])).toThrow(/takes feature maps and vectors, and the layer "teacher" puts out \[5, 64\]\. Tap/);
  });
});
