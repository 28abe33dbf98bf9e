/** A crash, and a failure, at every file-system call of a put: a checkpoint loads whole or not at all. */

import { describe, expect, test } from 'vitest';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { contentOf, putInParts, stateOf } from './content.js';
import { type Fault, MemoryDisk, systemError } from './memory-disk.js';

const FOLDER = '/run/checkpoints';

/** The elements of a part: all, or so few that a tensor has several. */
const PARTS = [{ elements: 1_000 }, { elements: 40 }];

/** The number of calls that putting a second checkpoint makes. */
async function callsOfPut(elements: number): Promise<number> {
  const disk = await freshDisk();
  const store = await openCheckpointStore(FOLDER, disk);
  disk.inject(() => null);
  await putInParts(store, contentOf(2), elements);
  return disk.calls;
}

async function freshDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = await openCheckpointStore(FOLDER, disk);
  // The run folder's own entries were synced when it was made.
  await disk.syncFolder('/');
  await disk.syncFolder('/run');
  await store.put(contentOf(1));
  return disk;
}

/** Everything from the n-th call on fails: the process is gone. */
const crashAt =
  (n: number): Fault =>
  (call) =>
    call >= n ? systemError('CRASH') : null;

const HOW = [
  { how: 'a killed process', powerCut: false, tear: false },
  { how: 'a killed process in mid-write', powerCut: false, tear: true },
  { how: 'a power cut', powerCut: true, tear: false },
];

describe.each(HOW)('$how', ({ powerCut, tear }) => {
  test.each(PARTS)('at every call of a put in parts of $elements leaves whole checkpoints only', async ({ elements }) => {
    const calls = await callsOfPut(elements);
    expect(calls).toBeGreaterThan(15);
    let kept = 0;
    for (let n = 1; n <= calls + 1; n++) {
      const disk = await freshDisk();
      const store = await openCheckpointStore(FOLDER, disk);
      disk.inject(crashAt(n), { tear });
      const put = await putInParts(store, contentOf(2), elements).then(
        () => 'stored',
        () => 'failed',
      );
      disk.restart({ powerCut });

      const next = await openCheckpointStore(FOLDER, disk);
      await next.sweep();
      const { whole, damaged } = next.list();
      expect({ n, damaged }).toEqual({ n, damaged: [] });
      const rounds = whole.map(({ state }) => state.round);
      expect(rounds.at(-1)).toBe(1);
      for (const round of rounds) expect(await next.get(stateOf(round))).toEqual(contentOf(round));
      if (put === 'stored') expect(rounds).toEqual([2, 1]);
      if (rounds.length === 2) kept += 1;
      // Nothing unfinished is left, and the one that failed can be put again.
      await next.put(contentOf(2));
      expect([...(await disk.listFolder(`${FOLDER}/base`))].sort()).toEqual(['1', '2']);
      expect(await disk.listFolder(`${FOLDER}/base/2`)).toEqual(['model']);
    }
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThan(calls);
  });

  test('at every call of a removal leaves whole checkpoints only', async () => {
    for (let n = 1; n <= 8; n++) {
      const disk = await freshDisk();
      const store = await openCheckpointStore(FOLDER, disk);
      await store.put(contentOf(2));
      disk.inject(crashAt(n), { tear });
      await store.retain('base', [2]).catch(() => undefined);
      disk.restart({ powerCut });
      const next = await openCheckpointStore(FOLDER, disk);
      expect(next.list().damaged).toEqual([]);
      expect(next.list().whole[0]?.state.round).toBe(2);
    }
  });
});

describe.each(['ENOSPC', 'EIO'])('one call that fails with %s', (code) => {
  test.each(PARTS)('in a put in parts of $elements is told, and the store goes on as before', async ({ elements }) => {
    const calls = await callsOfPut(elements);
    for (let n = 1; n <= calls; n++) {
      const disk = await freshDisk();
      const store = await openCheckpointStore(FOLDER, disk);
      disk.inject((call) => (call === n ? systemError(code) : null));
      await expect(putInParts(store, contentOf(2), elements), disk.trace.at(-1)).rejects.toMatchObject({
        code: 'checkpoint.unwritable',
        message: expect.stringContaining(code),
      });
      disk.restart({ powerCut: false });
      expect(await store.get(stateOf(1))).toEqual(contentOf(1));
      expect(await store.put(contentOf(2))).toMatchObject({ stored: true });
      expect(await store.get(stateOf(2))).toEqual(contentOf(2));
    }
  });

  test('a disk that stays full loses nothing that was there', async () => {
    const disk = await freshDisk();
    const store = await openCheckpointStore(FOLDER, disk);
    disk.inject((_, call) => (call === 'write' || call === 'sync' ? systemError(code) : null));
    await expect(store.put(contentOf(2))).rejects.toMatchObject({ code: 'checkpoint.unwritable' });
    await store.sweep();
    expect(await disk.listFolder(`${FOLDER}/base`)).toEqual(['1']);
    expect(await store.get(stateOf(1))).toEqual(contentOf(1));
  });
});
