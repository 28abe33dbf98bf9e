import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  commitLent,
  committedOf,
  epochsDone,
  giveBack,
  type Ledger,
  lend,
  openLedger,
  samplesOf,
  skip,
} from '../../../coordinator/core/ledger.js';
import type { Range } from '../../../src/protocol/field.js';

const opened = (size: number, epochs: number, contained: readonly Range[]) => openLedger({ size, epochs, contained, skipped: [] });

describe('ledger', () => {
  test('a round never spans two epochs', () => {
    const ledger = opened(10, 2, []);
    const first = lend(ledger, 7);
    expect(first.ranges).toEqual([{ start: 0, end: 7 }]);
    expect(lend(commitLent(first.ledger), 7).ranges).toEqual([{ start: 7, end: 10 }]);
  });

  test('what comes back is lent first', () => {
    const lent = lend(opened(10, 1, []), 6);
    const back = commitLent(giveBack(lent.ledger, [{ start: 2, end: 4 }]));
    expect(lend(back, 4).ranges).toEqual([
      { start: 2, end: 4 },
      { start: 6, end: 8 },
    ]);
  });

  test('a checkpoint’s samples are not trained again', () => {
    expect(lend(opened(10, 1, [{ start: 0, end: 3 }]), 100).ranges).toEqual([{ start: 3, end: 10 }]);
  });

  test('what is skipped is never lent again, is not counted, and does not hold up an epoch', () => {
    const { ledger, ranges } = lend(opened(10, 2, []), 6);
    const skipped = skip(giveBack(ledger, ranges), [{ start: 2, end: 4 }]);
    expect([samplesOf(skipped), epochsDone(skipped)]).toEqual([18, 0]);
    const next = lend(skipped, 10);
    expect(next.ranges).toEqual([
      { start: 0, end: 2 },
      { start: 4, end: 10 },
    ]);
    const committed = commitLent(next.ledger);
    expect([committedOf(committed), epochsDone(committed)]).toEqual([8, 1]);
    const again = openLedger(committed);
    expect(again).toEqual(committed);
    expect(() => skip(committed, [{ start: 0, end: 1 }])).toThrow(/the ledger holds/);
  });

  test('ranges that overlap are refused', () => {
    const ranges = [
      { start: 0, end: 5 },
      { start: 4, end: 8 },
    ];
    expect(() => opened(10, 1, ranges)).toThrow(/overlap/);
  });

  test('any history of lending, losing and committing trains each position once', () => {
    const step = fc.record({ count: fc.integer({ min: 1, max: 9 }), lost: fc.integer({ min: 0, max: 3 }) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 13 }),
        fc.integer({ min: 1, max: 3 }),
        fc.array(step, { minLength: 100, maxLength: 100 }),
        (size, epochs, steps) => {
          let ledger: Ledger = opened(size, epochs, []);
          for (const { count, lost } of steps) {
            const round = lend(ledger, count);
            const first = round.ranges[0];
            const isLost = first !== undefined && lost > 0 && first.end - first.start > lost;
            ledger = commitLent(isLost ? giveBack(round.ledger, [{ start: first.start, end: first.start + lost }]) : round.ledger);
          }
          expect(committedOf(ledger)).toBe(size * epochs);
          expect(ledger.contained).toEqual([{ start: 0, end: size * epochs }]);
        },
      ),
    );
  });
});
