/** The command line of the bench. */

import { expect, test } from 'vitest';
import { parseOptions, UsageError } from '../../bench/options.js';

const known = {
  rows: ['kd-step', 'wasm-step', 'extra'],
  groups: { steps: ['wasm-step', 'kd-step'] },
  defaultRows: ['kd-step', 'wasm-step'],
  threads: 2,
};
const parse = (...args: readonly string[]) => parseOptions(args, known);

test('without options', () => {
  expect(parse()).toMatchObject({
    rows: ['kd-step', 'wasm-step'],
    threads: 2,
    pairs: 7,
    batch: null,
    trace: 'auto',
    torch: null,
    json: false,
  });
});

test('all that can be said', () => {
  const args =
    '--rows extra,kd-step,extra --threads 1 --pairs 9 --batch 32 --trace off --torch py --json --out f.json --warm-up 3 --turn .5';
  expect(parse(...args.split(' '))).toMatchObject({
    ...{ rows: ['extra', 'kd-step'], threads: 1, pairs: 9, batch: 32, trace: 'off', torch: 'py', json: true, out: 'f.json' },
    ...{ warmUp: 3, turnSeconds: 0.5, profile: false },
  });
});

test('a group stands for its rows', () => {
  expect(parse('--rows', 'extra,steps,kd-step').rows).toEqual(['extra', 'wasm-step', 'kd-step']);
});

test.each([
  [['--rows', 'kd'], '--rows kd: there is no such row. There are kd-step, wasm-step, extra, steps'],
  [['--rows', ''], '--rows names no row'],
  [['--threads', '1.5'], '--threads 1.5: it is a whole number from 1 on'],
  [['--pairs', '0'], '--pairs 0: it is a number above 0'],
  [['--batch', 'many'], '--batch many: it is a number above 0'],
  [['--trace', 'on'], '--trace on: it is auto or off'],
  [['--speed', '3'], "Unknown option '--speed'"],
  [['128'], 'Unexpected argument'],
])('a mistake: %j', (args, message) => {
  expect(() => parse(...args)).toThrow(UsageError);
  expect(() => parse(...args)).toThrow(message);
});
