import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RowRing } from '../../../../src/data/loader/row-ring.js';

test('rows are given out one after the other, around the end, and freed in order', () => {
  const ring = new RowRing<string>(10, 9);
  expect([ring.take('a', 4), ring.take('b', 4), ring.take('c', 4)]).toEqual([0, 4, null]);
  ring.free((holder) => holder === 'b'); // not the oldest
  expect(ring.take('c', 4)).toBeNull();
  ring.free((holder) => holder === 'a');
  expect([ring.take('c', 3), ring.take('d', 2), ring.take('d', 1), ring.take('e', 1)]).toEqual([0, null, 3, null]);
  ring.free((holder) => holder === 'b');
  expect(ring.take('e', 6)).toBe(4);
  ring.free(() => true);
  expect([ring.take('f', 11), ring.take('f', 10), ring.take('g', 1)]).toEqual([null, 0, null]);
});

test('there is a maximum of holders', () => {
  const ring = new RowRing<number>(10, 2);
  expect([ring.take(1, 1), ring.take(2, 1), ring.take(3, 1)]).toEqual([0, 1, null]);
  ring.free((holder) => holder === 1);
  expect(ring.take(3, 1)).toBe(2);
});

test('no two share a row, none goes over the end, and what fits in the empty ring has its turn', () => {
  const steps = fc.array(fc.record({ count: fc.integer({ min: 1, max: 12 }), frees: fc.nat(3) }), { maxLength: 80 });
  fc.assert(
    fc.property(fc.integer({ min: 12, max: 40 }), steps, (rows, plan) => {
      const ring = new RowRing<number>(rows, 8);
      let held: { holder: number; start: number; count: number }[] = [];
      for (const [holder, { count, frees }] of plan.entries()) {
        let start = ring.take(holder, count);
        const freed = held.slice(0, start === null ? held.length : frees).map((each) => each.holder);
        ring.free((each) => freed.includes(each));
        held = held.filter((each) => !freed.includes(each.holder));
        start ??= ring.take(holder, count);
        expect(start).not.toBeNull();
        if (start === null) continue;
        expect(start + count).toBeLessThanOrEqual(rows);
        const from = start;
        for (const each of held) expect(each.start >= from + count || from >= each.start + each.count).toBe(true);
        held.push({ holder, start, count });
      }
    }),
  );
});
