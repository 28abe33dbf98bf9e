import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planLinks } from '../../../coordinator/core/links.js';
import { asIncarnation } from '../../../src/base/ids.js';

const students = (count: number) => Array.from({ length: count }, (_, index) => asIncarnation(100 + index));
const teachers = (...rates: (number | null)[]) => rates.map((rate, index) => ({ incarnation: asIncarnation(1 + index), rate }));

describe('planLinks', () => {
  test.each([
    { name: 'one teacher serves all', students: 3, rates: [10], expected: [[1], [1], [1]] },
    { name: 'a teacher each', students: 2, rates: [10, 10], expected: [[1], [2]] },
    { name: 'two slow ones make up for a fast one', students: 2, rates: [20, 10, 10], expected: [[1], [2, 3]] },
    { name: 'the fast teacher takes more students', students: 3, rates: [30, 10], expected: [[1], [1], [1]] },
    { name: 'an unmeasured teacher counts as the mean', students: 2, rates: [10, null], expected: [[1], [2]] },
    { name: 'nobody teaches', students: 2, rates: [], expected: [[], []] },
  ])('$name', ({ students: count, rates, expected }) => {
    expect([...planLinks(students(count), teachers(...rates)).values()]).toEqual(expected);
  });

  test('every student is taught and, with enough students, no teacher is idle', () => {
    const rate = fc.option(fc.integer({ min: 1, max: 1000 }));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.array(rate, { minLength: 1, maxLength: 12 }), (count, rates) => {
        const links = planLinks(students(count), teachers(...rates));
        const linked = [...links.values()];
        expect(linked.every((list) => list.length >= 1)).toBe(true);
        if (rates.length >= count) expect(linked.flat().length).toBe(rates.length);
      }),
    );
  });

  test('no student has more than its share plus one teacher', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 8, maxLength: 16 }),
        (count, rates) => {
          const links = planLinks(students(count), teachers(...rates));
          const capacity = [...links.values()].map((list) => list.reduce((sum, teacher) => sum + (rates[teacher - 1] ?? 0), 0));
          expect(Math.max(...capacity) - Math.min(...capacity)).toBeLessThanOrEqual(Math.max(...rates));
        },
      ),
    );
  });
});
