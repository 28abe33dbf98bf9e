import { describe, expect, test } from 'vitest';
import { asRoundId } from '../../../src/base/ids.js';
import { type CommittedState, candidateOf, isBase, ownRanges, trainedArena } from '../../../worker/student/state.js';

const arena = Float32Array.of(1, 2);
const base: CommittedState = { stage: 's', round: 4, hash: 'h', ranges: [{ start: 0, end: 10 }], parameters: arena, slots: arena };
const round = asRoundId(5);
const own = trainedArena({ base, round, ranges: [{ start: 10, end: 14 }], parameters: arena, slots: arena });

describe('what a student holds', () => {
  test.each([
    { name: 'the same', stage: 's', round: 4, hash: 'h', is: true },
    { name: 'another stage', stage: 't', round: 4, hash: 'h', is: false },
    { name: 'another round', stage: 's', round: 5, hash: 'h', is: false },
    { name: 'other bits', stage: 's', round: 4, hash: 'i', is: false },
  ])('is the base: $name', ({ stage, round, hash, is }) => {
    expect(isBase(base, stage, { round, hash })).toBe(is);
    expect(isBase(null, stage, { round, hash })).toBe(false);
  });

  test('a trained arena contains the base and its own samples', () => {
    expect(own).toMatchObject({ ranges: [{ start: 0, end: 14 }], samples: 4 });
  });

  test.each([
    { name: 'next to the base', ranges: [{ start: 0, end: 12 }], expected: [{ start: 10, end: 12 }] },
    { name: 'apart from it', ranges: [{ start: 0, end: 10 }, { start: 20, end: 22 }], expected: [{ start: 20, end: 22 }] }, // biome-ignore format: a row
    { name: 'nothing of its own', ranges: [{ start: 0, end: 10 }], expected: [] },
    { name: 'another base', ranges: [{ start: 0, end: 9 }, { start: 10, end: 12 }], expected: null }, // biome-ignore format: a row
  ])('the samples of the round in an arena: $name', ({ ranges, expected }) => {
    expect(ownRanges(base, ranges)).toEqual(expected);
  });

  test('an average contains the base and what each contributed', () => {
    const contributed = [[{ start: 14, end: 20 }], [{ start: 10, end: 14 }]];
    const candidate = candidateOf(own, { parameters: arena, hash: 'new', contributed });
    expect(candidate).toMatchObject({ stage: 's', round: 5, hash: 'new', ranges: [{ start: 0, end: 20 }] });
  });

  test('a sample twice in an average is a bug, and so is one without the own samples', () => {
    const average = (contributed: { start: number; end: number }[][]) => () =>
      candidateOf(own, { parameters: arena, hash: 'x', contributed });
    expect(average([[{ start: 10, end: 14 }], [{ start: 13, end: 20 }]])).toThrow('overlap at position 13');
    expect(average([[{ start: 9, end: 14 }]])).toThrow('overlap at position 9');
    expect(average([[{ start: 14, end: 20 }]])).toThrow('own samples');
  });
});
