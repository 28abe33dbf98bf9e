import { describe, expect, test } from 'vitest';
import { LOSSES } from '../../../src/losses/catalogue.js';
import type { LossTraits } from '../../../src/losses/loss-declaration.js';
import { checkTerm, completeTerm, TERM_KEYS } from '../../../src/losses/term-check.js';

const TRAITS: LossTraits = {
  paper: '',
  weight: 3,
  knobs: { margin: { default: 0.5, min: 0, max: 1 }, scale: { default: 2, above: 0 } },
  constants: { groups: { default: 4, min: 1, whole: true } },
  takesTaps: false,
  takesOther: true,
};
const TAPPED: LossTraits = { ...TRAITS, takesTaps: true };
const FLOWING: LossTraits = { ...TRAITS, takesFlows: true };
const FLOW = [
  ['a', 'b'],
  ['c', 'd'],
];
const TAPS = "[[student's layer, teacher's layer]]";
const FLOWS = "[[[student's layer, a later one], [teacher's layer, a later one]]]";

function textsOf(term: object, traits = TRAITS): string[] {
  return checkTerm({ loss: 'own', ...term }, traits, ['terms', 2]).map(({ text }) => text);
}

describe('checkTerm', () => {
  test.each([
    [{}, []],
    [{ weight: 0, margin: 0, scale: 1e-9, groups: 1 }, []],
    [{ margin: { schedule: 'linear', from: 0, to: 1, epochs: 0.5 } }, []],
    [{ margin: 1.01 }, ['terms[2].margin must be at most 1, not 1.01']],
    [
      { margin: { schedule: 'linear', from: -1, to: 2 } },
      ['terms[2].margin.from must be at least 0, not -1', 'terms[2].margin.to must be at most 1, not 2'],
    ],
    [{ scale: 0 }, ['terms[2].scale must be more than 0, not 0']],
    [{ groups: 0 }, ['terms[2].groups must be at least 1, not 0']],
    [{ groups: 2.5 }, ['terms[2].groups must be a whole number, not 2.5']],
    [{ margin: Number.NaN }, ['terms[2].margin must be a number or a map, not NaN']],
    [{ mragin: 1 }, ['unknown key "mragin" in terms[2]; did you mean "margin"?']],
    [
      { odd: 1, module: './own.mjs', taps: [['a', 'b']] },
      [
        'terms[2].taps: the loss own takes no taps; add takesTaps: true to its declaration, or leave taps out',
        'unknown key "odd" in terms[2]; there is: loss, module, from, weight, margin, scale, groups',
      ],
    ],
    [{ taps: [['a', 'b']] }, ['terms[2].taps: the loss own takes no taps; leave taps out']],
    [
      { weights: [1], mragin: 1 },
      ['terms[2].weights: the loss own takes no taps; leave weights out', 'unknown key "mragin" in terms[2]; did you mean "margin"?'],
    ],
  ])('%j', (term, expected) => {
    expect(textsOf(term)).toEqual(expected);
  });

  test.each([
    [{ taps: [['a', 'b']], weights: [0] }, []],
    [{}, [`terms[2] needs the key "taps": ${TAPS}`]],
    [{ taps: ['a', 'b'] }, [`terms[2].taps must be a list of pairs: ${TAPS}`]],
    [{ taps: 'a' }, [`terms[2].taps must be a list of pairs: ${TAPS}`]],
    [{ tap: [['a', 'b']] }, ['unknown key "tap" in terms[2]; did you mean "taps"?']],
    [{ taps: [['a', 'b']], weights: [1, 2] }, ['terms[2].weights: one for each pair of taps is needed, so 1 and not 2']],
  ])('with taps: %j', (term, expected) => {
    expect(textsOf(term, TAPPED)).toEqual(expected);
  });

  test.each([
    [{ flows: [FLOW, FLOW], weights: [0, 1] }, []],
    [{}, [`terms[2] needs the key "flows": ${FLOWS}`]],
    [{ flows: ['a'] }, [`terms[2].flows must be a list of pairs: ${FLOWS}`]],
    [{ flows: [FLOW], weights: [1, 2] }, ['terms[2].weights: one for each pair of flows is needed, so 1 and not 2']],
    [{ flows: [['a', 'b']] }, ['terms[2].flows[0][0] must be a list, not "a"', 'terms[2].flows[0][1] must be a list, not "b"']],
    [{ flows: [[['a', 'b']]] }, ['terms[2].flows[0] must have at least 2 entries, not 1']],
    [
      { flows: [FLOW], taps: [['a', 'b']] },
      ["terms[2].taps: the loss own takes no taps, but flows: [[[student's layer, a later one], [teacher's layer, a later one]]]"],
    ],
  ])('with flows: %j', (term, expected) => {
    expect(textsOf(term, FLOWING)).toEqual(expected);
  });

  test.each([
    [TRAITS, 'terms[2].flows: the loss own takes no flows; leave flows out'],
    [TAPPED, "terms[2].flows: the loss own takes no flows, but taps: [[student's layer, teacher's layer]]"],
  ])('flows of a loss that takes none', (traits, expected) => {
    expect(textsOf({ flows: [FLOW] }, traits)).toContain(expected);
  });

  test('says where each problem is', () => {
    const problems = checkTerm({ loss: 'own', mragin: 1, scale: { schedule: 'linear', from: 1, to: 0 } }, TRAITS, ['terms', 2]);
    expect(problems.map(({ path, at }) => [path, at])).toEqual([
      [['terms', 2, 'scale', 'to'], 'value'],
      [['terms', 2, 'mragin'], 'key'],
    ]);
  });
});

test('completeTerm fills in what is left out, and nothing else', () => {
  expect(completeTerm({ loss: 'own', margin: 0 }, TRAITS)).toEqual({ loss: 'own', weight: 3, margin: 0, scale: 2, groups: 4 });
  const tapped = { module: '/own.mjs', weight: 1, taps: [['a', 'b'] as const, ['c', 'd'] as const], margin: 1, scale: 1, groups: 1 };
  expect(completeTerm(tapped, TAPPED)).toEqual({ ...tapped, weights: [1, 1] });
  expect(completeTerm({ ...tapped, weights: [2, 3] }, TAPPED)).toEqual({ ...tapped, weights: [2, 3] });
});

describe.each(Object.entries(LOSSES))('the declaration of %s', (name, { declaration }) => {
  test('holds its own defaults, and names its paper', () => {
    const pair = ['a', 'b'] as const;
    const term = {
      loss: name,
      ...(declaration.takesTaps ? { taps: [pair] } : {}),
      ...(declaration.takesFlows === true ? { flows: [[pair, pair] as const] } : {}),
    };
    expect(checkTerm(completeTerm(term, declaration), declaration, [])).toEqual([]);
    expect(declaration.paper).toMatch(/\d{4}\.\d{5}/);
  });

  test('names no number like another one, nor like what every term has', () => {
    const names = [...Object.keys(declaration.knobs), ...Object.keys(declaration.constants)];
    expect(new Set([...names, ...TERM_KEYS]).size).toBe(names.length + TERM_KEYS.length);
  });
});
