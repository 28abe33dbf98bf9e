/** The two peers of the bench's rows of mutual learning: what passes between them. */

import { afterEach, expect, test } from 'vitest';
import type { Asking, MutualCase } from '../../bench/mutual-case.js';
import { PeerColumn } from '../../bench/mutual-column.js';

const SIZE = { batch: 2, classes: 3 };
const open: PeerColumn[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((column) => column.close()));
});

async function openPair(asking: Asking): Promise<readonly [PeerColumn, PeerColumn]> {
  const description = SIZE as MutualCase;
  const one = await PeerColumn.open({ description, peer: 'one', asking });
  const two = await PeerColumn.open({ description, peer: 'two', asking });
  open.push(one, two);
  one.meet(two.endpoint);
  two.meet(one.endpoint);
  return [one, two];
}

/** A round in which a peer says its own number and that of the step; answers what it heard. */
async function hear(column: PeerColumn, own: number, steps: number): Promise<number[]> {
  const round = column.begin(steps);
  const heard: number[] = [];
  for (let step = 1; step <= steps; step++) {
    const data = new Float32Array(SIZE.batch * SIZE.classes).fill(10 * own + step);
    const taken = await round.exchange([{ shape: [SIZE.batch, SIZE.classes], data }]);
    heard.push(taken[0]?.data[0] ?? Number.NaN);
  }
  return heard;
}

test.each(['ahead', 'at-need'] as const)('peers that ask %s hear of each other step by step, round after round', async (asking) => {
  const [one, two] = await openPair(asking);
  for (const steps of [3, 1, 2]) {
    const heard = await Promise.all([hear(one, 1, steps), hear(two, 2, steps)]);
    const from = (peer: number) => Array.from({ length: steps }, (_, i) => 10 * peer + i + 1);
    expect(heard).toEqual([from(2), from(1)]);
  }
  // Both together, for six steps: more than the numbers themselves.
  expect(one.bytes() + two.bytes()).toBeGreaterThan(2 * 6 * SIZE.batch * SIZE.classes * 4);
});

test('a peer that asks at need sends no request before', async () => {
  const [one, two] = await openPair('at-need');
  const round = one.begin(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(one.bytes()).toBe(0);
  const data = new Float32Array(SIZE.batch * SIZE.classes);
  await Promise.all([round.exchange([{ shape: [SIZE.batch, SIZE.classes], data }]), hear(two, 2, 1)]);
  expect(one.bytes()).toBeGreaterThan(0);
});
