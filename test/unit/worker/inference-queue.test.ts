import { describe, expect, test } from 'vitest';
import type { SampleView } from '../../../worker/engine/view.js';
import { InferenceQueue } from '../../../worker/teacher/inference-queue.js';

const view = (...samples: number[]): SampleView => ({ epoch: 0, samples: Int32Array.from(samples) });

/** A model that answers each sample with [sample, -sample]. */
function open(rowsMax: number, waitingMax = 100) {
  const batches: number[] = [];
  const infer = (views: readonly SampleView[]) => {
    const rows = views.flatMap(({ samples }) => [...samples]);
    batches.push(rows.length);
    return Float32Array.from(rows.flatMap((sample) => [sample, -sample]));
  };
  return { batches, queue: new InferenceQueue({ rowsMax, waitingMax, classes: 2, infer }) };
}

describe('merging requests', () => {
  test.each([
    { rowsMax: 8, requests: [2, 3, 3], batches: [8] },
    { rowsMax: 8, requests: [2, 3, 4], batches: [5, 4] },
    { rowsMax: 8, requests: [20, 1, 1], batches: [20, 2] },
    { rowsMax: 8, requests: [1, 20, 1], batches: [1, 20, 1] },
  ])('requests of $requests rows become batches of $batches', async ({ rowsMax, requests, batches }) => {
    const room = open(rowsMax);
    let first = 1;
    const answers = requests.map((rows) => {
      const samples = Array.from({ length: rows }, () => first++);
      return room.queue.ask(view(...samples))?.then((logits) => expect([...logits]).toEqual(samples.flatMap((s) => [s, -s])));
    });
    await Promise.all(answers);
    expect(room.batches).toEqual(batches);
    expect.assertions(requests.length + 1);
  });

  test('a full queue takes no more, and takes again when it has emptied', async () => {
    const { queue } = open(8, 2);
    const taken = [queue.ask(view(1)), queue.ask(view(2))];
    expect(queue.ask(view(3))).toBeNull();
    await Promise.all(taken);
    expect([...((await queue.ask(view(3))) ?? [])]).toEqual([3, -3]);
  });

  test('an error of the model ends the requests of its batch and no others', async () => {
    let calls = 0;
    const infer = () => {
      if (++calls === 1) throw new Error('broken');
      return Float32Array.of(1, 1);
    };
    const queue = new InferenceQueue({ rowsMax: 1, waitingMax: 9, classes: 2, infer });
    const [first, second] = [queue.ask(view(1)), queue.ask(view(2))];
    await expect(first).rejects.toThrow('broken');
    expect([...((await second) ?? [])]).toEqual([1, 1]);
  });

  test('what waits can be ended', async () => {
    const { queue, batches } = open(8);
    const asked = queue.ask(view(1));
    queue.fail(new Error('over'));
    await expect(asked).rejects.toThrow('over');
    expect(batches).toEqual([]);
  });
});
