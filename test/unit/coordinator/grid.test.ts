/** The grid on its own: two peers and two columns, as well as one of each. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  agreedHashes,
  cellsOf,
  columnOf,
  columnsOf,
  cutToTrained,
  evenly,
  type Grid,
  hasCell,
  isAveraged,
  isTrained,
  peersOf,
  planGrid,
  rangesOf,
  rowOf,
  seatStudents,
  totalsOf,
  voidAverages,
  withAveraged,
  withoutColumns,
  withTrained,
} from '../../../coordinator/core/grid.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import { mergeRanges, totalOf } from '../../../src/data/shard-plan.js';
import { UNMEASURED_LOSS } from '../../support/no-facts.js';

const ids = (...numbers: number[]) => numbers.map(asIncarnation);
const range = (start: number, end: number) => ({ start, end });
const PAIR = planGrid([range(0, 8)], columnsOf(['big', 'small'], ids(1, 2, 3, 4)), 4);

const report = (incarnation: number) => ({ term: asTerm(1), incarnation: asIncarnation(incarnation), round: asRoundId(7) });
const trained = (incarnation: number, samples: number, lossSum = samples) =>
  ({
    ...report(incarnation),
    type: 'worker.trained',
    samples,
    lossSum,
    correct: 1,
    trainMs: 10 * samples,
    waitedMs: samples,
    late: {},
    ...UNMEASURED_LOSS,
  }) as const;
const averaged = (incarnation: number, hash: string, contained = 8) =>
  ({ ...report(incarnation), type: 'worker.averaged', attempt: 1, hash, contained }) as const;
const allTrained = (grid: Grid, samples = 4): Grid =>
  cellsOf(grid).reduce((next, { incarnation }) => withTrained(next, trained(incarnation, samples)), grid);
const shown = (grid: Grid) => grid.map(({ ranges, cells }) => [ranges, cells.map(({ peer, incarnation }) => `${peer} ${incarnation}`)]);

describe('seatStudents', () => {
  const seat = (
    students: readonly (readonly [number, string, (string | null)?, string?])[],
    holders: Readonly<Record<string, readonly number[]>>,
    columnsMax = 9,
  ) =>
    seatStudents({
      peers: ['big', 'small'],
      students: students.map(([incarnation, host, peer = null, engine = 'wasm']) => ({
        ...{ incarnation: asIncarnation(incarnation), host, peer },
        engine: { name: engine },
      })),
      columnsMax,
      holdersOf: (peer) => ids(...(holders[peer] ?? [])),
    });
  const ONE_HOST = [1, 2, 3, 4].map((incarnation) => [incarnation, 'h'] as const);
  test.each([
    ['the first round: column by column, in order', seat(ONE_HOST, {}), [1, 2, 3, 4]],
    ['one too few for another column: the last is spare', seat(ONE_HOST.slice(0, 3), {}), [1, 2]],
    ['no more columns than replicas', seat(ONE_HOST, {}, 1), [1, 2]],
    ['everybody stays with the peer that it holds', seat(ONE_HOST, { big: [2, 4], small: [1, 3] }), [2, 1, 4, 3]],
    [
      'a spare one takes the place of a lost one',
      seat(
        [
          [2, 'h'],
          [3, 'h'],
          [5, 'h'],
        ],
        { big: [1], small: [2] },
        1,
      ),
      [3, 2],
    ],
    [
      'a holder without a place for its peer takes another',
      seat(
        [
          [2, 'h'],
          [4, 'h'],
        ],
        { big: [], small: [2, 4] },
      ),
      [4, 2],
    ],
    [
      'the cells of a column share a host where they can',
      seat(
        [
          [1, 'a'],
          [2, 'b'],
          [3, 'a'],
          [4, 'b'],
        ],
        { big: [1, 2], small: [4, 3] },
      ),
      [1, 3, 2, 4],
    ],
    [
      'free students too',
      seat(
        [
          [1, 'a'],
          [2, 'b'],
          [3, 'b'],
          [4, 'a'],
        ],
        {},
      ),
      [1, 4, 2, 3],
    ],
    [
      'a column begins on the host of most students',
      seat(
        [
          [1, 'a'],
          [2, 'b'],
          [3, 'b'],
        ],
        {},
      ),
      [2, 3],
    ],
    [
      'a free cell is filled beside the one that is bound',
      seat(
        [
          [1, 'a'],
          [2, 'b', 'small'],
          [3, 'b'],
        ],
        {},
        1,
      ),
      [3, 2],
    ],
    [
      'the cells of a row have one engine where they can',
      seat(
        [
          [1, 'a', null, 'tensorflow'],
          [2, 'a', null, 'wasm'],
          [3, 'b', null, 'wasm'],
          [4, 'b', null, 'tensorflow'],
        ],
        {},
      ),
      [1, 2, 4, 3],
    ],
    [
      'and the host counts more',
      seat(
        [
          [1, 'a', null, 'tensorflow'],
          [2, 'a', null, 'tensorflow'],
          [3, 'b', null, 'wasm'],
          [4, 'b', null, 'tensorflow'],
        ],
        {},
      ),
      [1, 2, 4, 3],
    ],
  ])('%s', (_, seated, expected) => {
    expect(seated).toEqual({ seated: ids(...expected), empty: [] });
  });

  test.each([
    ['nobody', seat([], {}), ['big', 'small']],
    ['one student for two peers', seat([[1, 'h']], {}), ['small']],
    [
      'two that were started for the same peer',
      seat(
        [
          [1, 'h', 'big'],
          [2, 'h', 'big'],
        ],
        {},
      ),
      ['small'],
    ],
    ['one that holds the other peer, and nobody else', seat([[1, 'h']], { small: [1] }), ['big']],
  ])('%s: says which peers lack a student', (_, seats, empty) => {
    expect(seats).toEqual({ seated: [], empty });
  });
});

describe('planGrid', () => {
  test.each([
    { peers: ['model'], students: [1], samples: 8, expected: [[[range(0, 8)], ['model 1']]] },
    {
      peers: ['model'],
      students: [1, 2],
      samples: 8,
      expected: [
        [[range(0, 4)], ['model 1']],
        [[range(4, 8)], ['model 2']],
      ],
    },
    { peers: ['big', 'small'], students: [1, 2], samples: 8, expected: [[[range(0, 8)], ['big 1', 'small 2']]] },
    {
      peers: ['big', 'small'],
      students: [1, 2, 3, 4],
      samples: 8,
      expected: [
        [[range(0, 4)], ['big 1', 'small 2']],
        [[range(4, 8)], ['big 3', 'small 4']],
      ],
    },
    // A student that does not fill a column stays out, and so does a column without a sample.
    { peers: ['big', 'small'], students: [1, 2, 3], samples: 8, expected: [[[range(0, 8)], ['big 1', 'small 2']]] },
    {
      peers: ['model'],
      students: [1, 2, 3],
      samples: 2,
      expected: [
        [[range(0, 1)], ['model 1']],
        [[range(1, 2)], ['model 2']],
      ],
    },
  ])('$peers x $students over $samples samples', ({ peers, students, samples, expected }) => {
    expect(shown(planGrid([range(0, samples)], columnsOf(peers, ids(...students)), 2))).toEqual(expected);
  });

  test('gives out every position once, and every cell of a column the same', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        (peers, columns, samples, perStep) => {
          const names = Array.from({ length: peers }, (_, i) => `p${i}`);
          const students = ids(...Array.from({ length: peers * columns }, (_, i) => i + 1));
          const grid = planGrid([range(3, 3 + samples)], columnsOf(names, students), perStep);
          expect(mergeRanges(rangesOf(grid))).toEqual([range(3, 3 + samples)]);
          for (const { cells, ranges } of grid) {
            expect(cells.map(({ peer }) => peer)).toEqual(names);
            expect(totalOf(ranges)).toBeGreaterThan(0);
          }
          for (const peer of names) expect(rowOf(grid, peer)).toHaveLength(grid.length);
        },
      ),
    );
  });

  test('evenly differs by at most one', () => {
    expect(evenly(10, 4)).toEqual([2, 3, 2, 3]);
  });
});

describe('two peers in two columns', () => {
  test('rows, columns and cells', () => {
    expect(peersOf(PAIR)).toEqual(['big', 'small']);
    expect(rowOf(PAIR, 'big').map(({ incarnation }) => incarnation)).toEqual([1, 3]);
    expect(columnOf(PAIR, asIncarnation(4))?.ranges).toEqual([range(4, 8)]);
    expect(columnOf(PAIR, asIncarnation(9))).toBeNull();
  });

  test('a column has trained when all of its cells have', () => {
    const one = withTrained(PAIR, trained(1, 4));
    expect(one.map(isTrained)).toEqual([false, false]);
    expect(withTrained(one, trained(2, 4)).map(isTrained)).toEqual([true, false]);
    expect(withTrained(one, trained(9, 4))).toBe(one);
  });

  test('a cell that is lost takes its column with it, and only that', () => {
    const { grid, withdrawn, ranges } = withoutColumns(PAIR, (column) => !hasCell(column, asIncarnation(2)));
    expect(shown(grid)).toEqual([[[range(4, 8)], ['big 3', 'small 4']]]);
    expect({ withdrawn, ranges }).toEqual({ withdrawn: [1, 2], ranges: [range(0, 4)] });
  });

  test.each([
    { name: 'all agree by rows', hashes: ['a', 'b', 'a', 'b'], expected: { hashes: new Map([['big', 'a'], ['small', 'b']]) } }, // biome-ignore format: a row
    {
      name: 'a row does not',
      hashes: ['a', 'b', 'a', 'a'],
      expected: { problem: 'incarnation 4 averaged to other bits than its replicas' },
    },
    { name: 'rows need not agree with each other', hashes: ['a', 'a', 'a', 'a'], expected: { hashes: new Map([['big', 'a'], ['small', 'a']]) } }, // biome-ignore format: a row
  ])('the hashes: $name', ({ hashes, expected }) => {
    const grid = hashes.reduce((next, hash, i) => withAveraged(next, averaged(i + 1, hash)), PAIR);
    expect(grid.every(isAveraged)).toBe(true);
    expect(agreedHashes(grid, 8)).toEqual(expected);
  });

  test('an average of other samples than the ledger has is no agreement', () => {
    const grid = ['a', 'b', 'a', 'b'].reduce((next, hash, i) => withAveraged(next, averaged(i + 1, hash, i === 3 ? 7 : 8)), PAIR);
    expect(agreedHashes(grid, 8)).toEqual({ problem: 'the average of incarnation 4 contains 7 samples, not 8' });
  });

  test('a void attempt leaves what was trained', () => {
    const grid = voidAverages(withAveraged(allTrained(PAIR), averaged(1, 'a')));
    expect(grid).toEqual(allTrained(PAIR));
  });

  test('a sample that both peers trained counts once, and the loss is their mean', () => {
    const grid = [trained(1, 4, 8), trained(2, 4, 4), trained(3, 4, 8), trained(4, 4, 4)].reduce(withTrained, PAIR);
    expect(totalsOf(grid)).toEqual({
      samples: 8,
      lossSum: 12,
      losses: { big: 2, small: 1 },
      correct: 2,
      trainMs: 40,
      msPerSample: 10,
      lockstep: { big: { trainMs: 80, waitedMs: 8, late: 0 }, small: { trainMs: 80, waitedMs: 8, late: 0 } },
    });
  });

  test.each([
    { name: 'all of it', counts: [4, 4, 4, 4], expected: [[range(0, 4)], [range(4, 8)]], back: [] },
    { name: 'a part of each', counts: [3, 3, 1, 1], expected: [[range(0, 3)], [range(4, 5)]], back: [range(3, 4), range(5, 8)] },
    { name: 'nothing of one', counts: [0, 0, 4, 4], expected: [[range(4, 8)]], back: [range(0, 4)] },
  ])('cut to what was trained: $name', ({ counts, expected, back }) => {
    const grid = counts.reduce((next, samples, i) => withTrained(next, trained(i + 1, samples)), PAIR);
    const cut = cutToTrained(grid);
    expect(cut.grid.map(({ ranges }) => ranges)).toEqual(expected);
    expect(mergeRanges(cut.ranges)).toEqual(back);
  });

  test('cells of one column that trained different counts are a bug', () => {
    const grid = [4, 3, 4, 4].reduce((next, samples, i) => withTrained(next, trained(i + 1, samples)), PAIR);
    expect(() => cutToTrained(grid)).toThrow('cells of one column trained 4 and 3 samples');
  });
});
