import { describe, expect, test } from 'vitest';
import { asIncarnation } from '../../../src/base/ids.js';
import type { Base } from '../../../src/protocol/control.js';
import {
  type CommittedState,
  candidateOf,
  isBase,
  isOwnBase,
  ownRanges,
  rangesProblem,
  trainedState,
} from '../../../worker/student/state.js';

const arena = Float32Array.of(1, 2);
const name = (round: number, stage = 's', peer = 'model') => ({ stage, peer, round });
const BASE = [{ start: 0, end: 10 }];
const held: CommittedState = { state: name(4), hash: 'h', ranges: BASE, parameters: arena, slots: arena, slotsFor: 'own', isChecked: true };
const own = trainedState({ state: name(5), base: BASE, own: [{ start: 10, end: 14 }], parameters: arena });

describe('what a student holds', () => {
  test.each([
    { what: 'the same', state: name(4), hash: 'h', is: true },
    { what: 'the same, whose hash nobody has taken', state: name(4), hash: null, is: true },
    { what: 'another stage', state: name(4, 't'), hash: 'h', is: false },
    { what: 'another peer', state: name(4, 's', 'big'), hash: 'h', is: false },
    { what: 'another round', state: name(5), hash: 'h', is: false },
    { what: 'other bits', state: name(4), hash: 'i', is: false },
  ])('is the base: $what', ({ state, hash, is }) => {
    expect(isBase(held, { state, hash })).toBe(is);
    expect(isBase(null, { state, hash })).toBe(false);
  });

  test('without a hash of its own, the name decides', () => {
    expect(isBase({ ...held, hash: null }, { state: name(4), hash: 'h' })).toBe(true);
  });

  test('what it trained contains the base and its own samples', () => {
    expect(own).toMatchObject({ ranges: [{ start: 0, end: 14 }], samples: 4 });
  });

  test.each([
    { what: 'named as the only holder', base: { hash: null, sources: [3] }, is: true },
    { what: 'another is named', base: { hash: null, sources: [4] }, is: false },
    { what: 'an average', base: { hash: 'h', sources: [3] }, is: false },
    { what: 'another round', base: { hash: null, sources: [3], state: name(6) }, is: false },
  ])('what it trained is the base of the next round: $what', ({ base: { sources, ...rest }, is }) => {
    const base = {
      state: own.state,
      ...rest,
      sources: sources.map((incarnation) => ({ incarnation: asIncarnation(incarnation), endpoint: '' })),
    };
    expect(isOwnBase(own, base as Base, asIncarnation(3))).toBe(is);
  });

  test.each([
    { name: 'next to the base', ranges: [{ start: 0, end: 12 }], expected: [{ start: 10, end: 12 }] },
    { name: 'apart from it', ranges: [{ start: 0, end: 10 }, { start: 20, end: 22 }], expected: [{ start: 20, end: 22 }] }, // biome-ignore format: a row
    { name: 'nothing of its own', ranges: [{ start: 0, end: 10 }], expected: [] },
    { name: 'another base', ranges: [{ start: 0, end: 9 }, { start: 10, end: 12 }], expected: null }, // biome-ignore format: a row
  ])('the samples of the round in an arena: $name', ({ ranges, expected }) => {
    expect(ownRanges(BASE, ranges)).toEqual(expected);
    const replica = { incarnation: asIncarnation(2), endpoint: '', samples: 2 };
    expect(rangesProblem(own, replica, ranges) === null).toBe(expected !== null && expected.length > 0);
  });

  test('an average contains the base and what each contributed', () => {
    const contributed = [[{ start: 0, end: 10 }, { start: 14, end: 20 }], [{ start: 0, end: 14 }]]; // biome-ignore format: a row
    const candidate = candidateOf(own, { parameters: arena, hash: 'new', contributed });
    expect(candidate).toMatchObject({ state: name(5), hash: 'new', ranges: [{ start: 0, end: 20 }] });
  });

  test('a sample twice in an average is a bug, and so is one without the own samples', () => {
    const average = (contributed: { start: number; end: number }[][]) => () =>
      candidateOf(own, { parameters: arena, hash: 'x', contributed: contributed.map((ranges) => [...BASE, ...ranges]) });
    expect(average([[{ start: 10, end: 14 }], [{ start: 13, end: 20 }]])).toThrow('overlap at position 13');
    expect(average([[{ start: 14, end: 20 }]])).toThrow('own samples');
  });
});
