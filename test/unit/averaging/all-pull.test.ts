/** All-pull's own: it makes no pieces of the average. test/contract/averaging.test.ts has all that every way promises. */

import { expect, test } from 'vitest';
import { openAllPull } from '../../../src/averaging/all-pull.js';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import type { DataRequestOf } from '../../../src/protocol/data.js';

test('a request for a piece of the average is refused with the part to ask for', async () => {
  const term = asTerm(1);
  const request = () => Promise.reject(new Error('nobody is asked'));
  const averaging = openAllPull({ term, self: asIncarnation(1), deadlineMs: 1, request });
  const state = { stage: 'base', peer: 'model', round: 1 };
  averaging.offer({ state, parameters: Float32Array.of(1, 2), ranges: [{ start: 0, end: 4 }], samples: 4 });
  const ask = async (part: DataRequestOf<'arena.get'>['part']) =>
    (await averaging.answer({ type: 'arena.get', id: 1, tensors: [], term, state, attempt: 1, part, start: 0, end: 2 })).header;
  expect(await ask('trained')).toMatchObject({ type: 'arena.answer', part: 'trained' });
  const message = expect.stringContaining('ask for the parts trained and memory');
  expect(await ask('average')).toMatchObject({ type: 'refuse', reason: 'invalid-message', message });
});
