import { describe, expect, test } from 'vitest';
import type { Loading } from '../../../src/data/loader/loader.js';
import { type Knowledge, type KnowledgeSpec, LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import type { SampleView } from '../../../worker/kit/view.js';
import { InferenceQueue } from '../../../worker/teacher/inference-queue.js';

const view = (...samples: number[]): SampleView => ({ epoch: 0, samples: Int32Array.from(samples) });

interface TestLoading extends Loading {
  readonly samples: readonly number[];
  isGivenBack: boolean;
}

interface RoomOptions {
  readonly rowsMax?: number;
  readonly waitingMax?: number;
  /** How long the pixels take. */
  readonly ready?: () => Promise<void>;
  /** Samples whose pixels begin at another place in memory. */
  readonly apart?: readonly number[];
  /** A sample that the model throws at. */
  readonly broken?: number;
}

const LOGITS = [LOGITS_SPEC];
const numbersOf = (answer: Knowledge | null) => (answer ?? []).flatMap(({ data }) => [...data]);

/** A model that answers each sample with [sample, -sample]; in the answer's second tensor with [sample + 1, -sample]. */
function open({ rowsMax = 8, waitingMax = 100, ready = () => Promise.resolve(), apart = [], broken }: RoomOptions = {}) {
  const batches: number[] = [];
  const loadings: TestLoading[] = [];
  const load = ({ samples }: SampleView): Loading => {
    const loading: TestLoading = {
      samples: [...samples],
      isGivenBack: false,
      count: samples.length,
      isReady: () => true,
      ready,
      follows: () => !apart.includes(samples[0] ?? 0),
      giveBack() {
        loading.isGivenBack = true;
      },
    };
    loadings.push(loading);
    return loading;
  };
  const infer = (batch: readonly Loading[], specs: readonly KnowledgeSpec[]): Knowledge[] => {
    const lists = (batch as readonly TestLoading[]).map(({ samples }) => samples);
    if (broken !== undefined && lists.flat().includes(broken)) throw new Error('no kernel');
    batches.push(lists.flat().length);
    return lists.map((rows) =>
      specs.map((_, i) => ({ shape: [rows.length, 2], data: Float32Array.from(rows.flatMap((sample) => [sample + i, -sample])) })),
    );
  };
  const isAllGivenBack = () => loadings.every(({ isGivenBack }) => isGivenBack);
  return { batches, isAllGivenBack, queue: new InferenceQueue({ rowsMax, waitingMax, load, infer }) };
}

describe('merging requests', () => {
  test.each([
    { rowsMax: 8, requests: [2, 3, 3], batches: [8] },
    { rowsMax: 8, requests: [2, 3, 4], batches: [5, 4] },
    { rowsMax: 8, requests: [20, 1, 1], batches: [20, 2] },
    { rowsMax: 8, requests: [1, 20, 1], batches: [1, 20, 1] },
    { rowsMax: 8, requests: [1, 1, 1, 1], apart: [3], batches: [2, 2] },
  ])('requests of $requests rows become batches of $batches', async ({ rowsMax, requests, batches, apart = [] }) => {
    const room = open({ rowsMax, apart });
    let first = 1;
    const answers = requests.map((rows) => {
      const samples = Array.from({ length: rows }, () => first++);
      return room.queue.ask(view(...samples), LOGITS)?.then((answer) => expect(numbersOf(answer)).toEqual(samples.flatMap((s) => [s, -s])));
    });
    await Promise.all(answers);
    expect(room.batches).toEqual(batches);
    expect(room.isAllGivenBack()).toBe(true);
    expect.assertions(requests.length + 2);
  });

  test('only requests for the same specs share a batch, and each gets its own answer', async () => {
    const room = open();
    const both = [LOGITS_SPEC, { of: 'tap', layer: 'relu', reduce: null } as const];
    const asked = [
      [[1, 2], both],
      [[3], both.map((spec) => ({ ...spec }))],
      [[4, 5], LOGITS],
      [[6], LOGITS],
      [[7], both],
    ] as const;
    const answers = await Promise.all(asked.map(([samples, specs]) => room.queue.ask(view(...samples), specs)));
    expect(room.batches).toEqual([3, 3, 1]);
    for (const [i, [samples, specs]] of asked.entries()) {
      expect(answers[i]).toEqual(
        specs.map((_, place) => ({
          shape: [samples.length, 2],
          data: Float32Array.from([...samples].flatMap((sample) => [sample + place, -sample])),
        })),
      );
    }
  });

  test('a full queue takes no more, and takes again when it has emptied', async () => {
    const { queue } = open({ waitingMax: 2 });
    const taken = [queue.ask(view(1), LOGITS), queue.ask(view(2), LOGITS)];
    expect(queue.ask(view(3), LOGITS)).toBeNull();
    await Promise.all(taken);
    expect(numbersOf(await queue.ask(view(3), LOGITS))).toEqual([3, -3]);
  });

  test('pixels that cannot be loaded end the requests of their batch and no others', async () => {
    let calls = 0;
    const room = open({ rowsMax: 1, ready: () => (++calls === 1 ? Promise.reject(new Error('broken')) : Promise.resolve()) });
    const [first, second] = [room.queue.ask(view(1), LOGITS), room.queue.ask(view(2), LOGITS)];
    await expect(first).rejects.toThrow('broken');
    expect(numbersOf(await second)).toEqual([2, -2]);
    expect(room.isAllGivenBack()).toBe(true);
  });

  test('an error of the model does so too', async () => {
    const room = open({ rowsMax: 1, broken: 1 });
    const [first, second] = [room.queue.ask(view(1), LOGITS), room.queue.ask(view(2), LOGITS)];
    await expect(first).rejects.toThrow('no kernel');
    expect(numbersOf(await second)).toEqual([2, -2]);
    expect(room.isAllGivenBack()).toBe(true);
  });

  test('what waits can be ended, and so can what waits for its pixels: the model is not asked any more', async () => {
    let arrive = () => {};
    const pixels = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const room = open({ rowsMax: 1, ready: () => pixels });
    const asked = [room.queue.ask(view(1), LOGITS), room.queue.ask(view(2), LOGITS)];
    await new Promise(setImmediate); // the first is taken out of the queue
    await new Promise(setImmediate);
    room.queue.fail(new Error('over'));
    await expect(asked[1]).rejects.toThrow('over');
    arrive();
    await expect(asked[0]).rejects.toThrow('over');
    expect(room.batches).toEqual([]);
    expect(room.isAllGivenBack()).toBe(true);
  });
});
