import { expect, test } from 'vitest';
import { ratesOf } from '../../../../src/cli/table/rate.js';

const at = (ms: number) => new Date(1_000_000_000_000 + ms).toISOString();
const progress = (stage: string, ms: number, committed: number) => ({ type: 'progress', time: at(ms), stage, committed, loss: 1 });
const text = (...lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');

test.each<[string, string, Record<string, number>]>([
  ['nothing', '', {}],
  ['one round', text(progress('a', 9_000, 100)), {}],
  [
    'the median of the rounds after the first',
    text(...[0, 100, 1100, 1200, 1300].map((ms, i) => progress('a', 50_000 + ms, 100 + 100 * i))),
    { a: 1000 },
  ],
  [
    'each stage by itself',
    text(progress('a', 0, 100), progress('a', 100, 200), progress('b', 900, 50), progress('b', 1000, 100)),
    { a: 1000, b: 500 },
  ],
  [
    'no round over a pause',
    text(progress('a', 0, 100), { type: 'run-started', time: at(1) }, progress('a', 5000, 200), progress('a', 5100, 300)),
    { a: 1000 },
  ],
  [
    'no way back',
    text(progress('a', 0, 300), { type: 'rollback', stage: 'a' }, progress('a', 100, 200), progress('a', 150, 300)),
    { a: 2000 },
  ],
  ['other reports between', text(progress('a', 0, 100), { type: 'evaluated', stage: 'a' }, progress('a', 100, 200)), { a: 1000 }],
  ['a clock that was set back', text(progress('a', 100, 100), progress('a', 0, 200)), {}],
  ['a torn line', `${text(progress('a', 0, 100), progress('a', 100, 200))}{"type":"prog`, { a: 1000 }],
])('%s', (_, metrics, rates) => {
  expect(ratesOf(metrics)).toEqual(rates);
});
