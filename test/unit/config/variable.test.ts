import { describe, expect, test } from 'vitest';
import { endsOf, type Variable, variableAt, variableIn } from '../../../src/config/variable.js';

describe('variableAt', () => {
  test.each([
    [4, 0.3, 4],
    [{ schedule: 'constant', from: 4, to: 1 }, 0.7, 4],
    [{ schedule: 'linear', from: 4, to: 1 }, 0, 4],
    [{ schedule: 'linear', from: 4, to: 1 }, 0.5, 2.5],
    [{ schedule: 'linear', from: 4, to: 1 }, 1.2, 1],
    [{ schedule: 'cosine', from: 0, to: 1 }, 0, 0],
    [{ schedule: 'cosine', from: 0, to: 1 }, 0.25, (1 - Math.SQRT1_2) / 2],
    [{ schedule: 'cosine', from: 0, to: 1 }, 0.5, 0.5],
    [{ schedule: 'cosine', from: 0, to: 1 }, 1, 1],
    [{ schedule: 'cosine', from: 2, to: 1 }, -1, 2],
  ] as [Variable, number, number][])('%j at %f is %f', (variable, fraction, expected) => {
    expect(variableAt(variable, { epoch: 30 * fraction, epochs: 30 })).toBeCloseTo(expected, 12);
  });

  test.each([
    [0, 0],
    [5, 0.25],
    [12.5, 0.625],
    [20, 1],
    [29, 1],
  ])("a schedule in epochs, DKD's min(epoch / 20, 1), at epoch %f is %f, however long the stage", (epoch, expected) => {
    for (const epochs of [10, 30, 240]) {
      expect(variableAt({ schedule: 'linear', from: 0, to: 1, epochs: 20 }, { epoch, epochs })).toBeCloseTo(expected, 12);
    }
  });

  test('a schedule of a part of an epoch', () => {
    const variable: Variable = { schedule: 'cosine', from: 1, to: 3, epochs: 0.5 };
    expect([0, 0.25, 0.5, 1].map((epoch) => variableAt(variable, { epoch, epochs: 4 }))).toEqual([1, expect.closeTo(2, 12), 3, 3]);
  });
});

test('endsOf gives the values at which a variable begins and ends', () => {
  expect(endsOf(3)).toEqual([3, 3]);
  expect(endsOf({ schedule: 'cosine', from: 2, to: 1 })).toEqual([2, 1]);
  expect(endsOf({ schedule: 'constant', from: 2, to: 1 })).toEqual([2, 2]);
});

describe('variableIn', () => {
  test.each([
    [{}, [-1e9, 0, { schedule: 'linear', from: -1, to: 1 }], [Number.NaN, 'a', { from: 1, to: 2 }]],
    [{ min: 0 }, [0, { schedule: 'linear', from: 0, to: 1 }], [-1e-9, { schedule: 'linear', from: 1, to: -1 }]],
    [{ above: 0, max: 2 }, [1e-9, 2], [0, 2.1, { schedule: 'cosine', from: 0, to: 1 }]],
    [{}, [{ schedule: 'linear', from: 0, to: 1, epochs: 0.5 }], [{ schedule: 'linear', from: 0, to: 1, epochs: 0 }]],
  ])('%j takes what is inside, and nothing else', (range, inside, outside) => {
    for (const value of inside) expect(variableIn(range).safeParse(value).success, JSON.stringify(value)).toBe(true);
    for (const value of outside) expect(variableIn(range).safeParse(value).success, JSON.stringify(value)).toBe(false);
  });
});
