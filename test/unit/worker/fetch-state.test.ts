/** A state from another machine: an answer of other lengths, or of hardly anything, is an error of that machine, and none of this one. */

import { expect, onTestFinished, test } from 'vitest';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import { refusal, serveData } from '../../../src/rpc/data-server.js';
import type { ElementRange, StateLayout } from '../../../src/tensor/state-parts.js';
import { Connections } from '../../../worker/kit/connections.js';
import { fetchFromHolder, fetchSlots } from '../../../worker/kit/fetch-state.js';
import { createMemoryTransport } from '../../support/memory-transport.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const ELEMENTS = 4;
const HASH = 'ab'.repeat(32);
const about = { state: { stage: 'plain', peer: MODEL_PEER, round: 1 }, hash: HASH, schema: HASH };

/** A holder that says that the state has this layout, and gives so many elements of `name` with each answer. */
async function opened(layout: StateLayout, { name = 'slots', given = ELEMENTS, answerMs = 0 } = {}) {
  const clock = new VirtualClock();
  const transport = createMemoryTransport();
  const asked: number[] = [];
  const answered = ({ start }: ElementRange) => {
    asked.push(start);
    clock.freeze(answerMs);
    const tensors = [{ name, dtype: 'float32' as const, shape: [given], data: new Float32Array(given) }];
    return { part: { ...about, layout: [...layout], start }, tensors };
  };
  const { endpoint, close } = await serveData({
    transport,
    endpoint: 'inproc://holder',
    async answer({ header }) {
      if (header.type !== 'slots.get' && header.type !== 'state.get') return refusal('missing', header.type);
      const { part, tensors } = answered(header);
      if (header.type === 'slots.get') return { header: { type: 'slots.answer', ...part }, tensors };
      return { header: { type: 'state.answer', ranges: [], ...part }, tensors };
    },
  });
  const connections = new Connections(transport, clock);
  onTestFinished(async () => {
    await connections.close();
    await close();
  });
  const context = { term: asTerm(1), dataEndpoint: endpoint, connections, clock, partElements: ELEMENTS };
  const replica = { column: 1, incarnation: asIncarnation(2), endpoint };
  return {
    asked,
    slots: (length: number) => fetchSlots(context, { ...about, replica, length, untilMs: 3_000 }),
    state: (lengths: Record<string, number>) => fetchFromHolder(context, endpoint, { ...about, lengths: new Map(Object.entries(lengths)) }),
  };
}

const invalid = (message: RegExp) => ({ code: 'protocol.invalid', message: expect.stringMatching(message) });
const slotsOf = (...sizes: number[]) => sizes.map((size) => ({ name: 'slots', size }));

test.each<[string, StateLayout]>([
  ['twice, as many together', slotsOf(4, 8)],
  ['of more', slotsOf(13)],
  ['of 16 GiB', slotsOf(2 ** 32)],
  ['with another tensor', [...slotsOf(12), { name: 'more', size: 0 }]],
  ['of another name', [{ name: 'parameters', size: 12 }]],
])('the state of an optimiser %s is refused at its first part', async (_, layout) => {
  const { slots, asked } = await opened(layout);
  await expect(slots(12)).rejects.toMatchObject(invalid(/not the state of an optimiser of 12 numbers/));
  expect(asked).toEqual([0]);
});

test('the state of an optimiser comes in parts, whose last one must be here in time', async () => {
  expect(await (await opened(slotsOf(12))).slots(12)).toEqual(new Float32Array(12));
  const slow = await opened(slotsOf(12), { answerMs: 1_500 });
  await expect(slow.slots(12)).rejects.toMatchObject({
    code: 'transport.deadline',
    message: expect.stringMatching(/from the element 8 on/),
  });
  expect(slow.asked).toEqual([0, 4]);
});

test('parameters of other lengths are another model, whatever is sent of them', async () => {
  const layout = [{ name: 'parameters', size: 2 ** 31 }, ...slotsOf(8)];
  const { state } = await opened(layout, { name: 'parameters' });
  await expect(state({ parameters: 8, adapters: 0, slots: 9 })).rejects.toMatchObject({
    code: 'model.invalid',
    message: expect.stringMatching(/has 2147483648 elements of parameters, and not 8; 8 elements of slots, and not 9/),
  });
});

test('a place that gives fewer elements than it can is not asked on', async () => {
  const { state, asked } = await opened([{ name: 'parameters', size: 8 }, ...slotsOf(8)], { name: 'parameters', given: 1 });
  await expect(state({})).rejects.toMatchObject(invalid(/has 1 elements from 0 on, and not 4/));
  expect(asked).toEqual([0]);
});
