import { expect, test } from 'vitest';
import { abortable, nextTurn } from '../../../src/base/abortable.js';
import { JobSlot } from '../../../worker/kit/job-slot.js';

test('a job that is replaced ends before the next begins, and its end is no error', async () => {
  const happened: string[] = [];
  const errors: unknown[] = [];
  const slot = new JobSlot((error) => errors.push(error));
  slot.replace(async (signal) => {
    happened.push('first begins');
    try {
      for (;;) await nextTurn(signal);
    } finally {
      happened.push('first ends');
    }
  });
  await new Promise((resolve) => setImmediate(resolve));
  slot.replace(async () => void happened.push('never begins'));
  slot.replace(async () => void happened.push('third begins'));
  await slot.idle();
  expect(happened).toEqual(['first begins', 'first ends', 'third begins']);
  expect(errors).toEqual([]);
});

test('a failure is told, also of a job that was called off, and the next job runs', async () => {
  const errors: unknown[] = [];
  const slot = new JobSlot((error) => errors.push(error));
  const [first, second] = [new Error('first'), new Error('second')];
  slot.replace(async () => {
    throw first;
  });
  await slot.idle();
  slot.replace(async (signal) => {
    await nextTurn(new AbortController().signal);
    await nextTurn(new AbortController().signal);
    throw signal.aborted ? second : new Error('was not called off');
  });
  await new Promise((resolve) => setImmediate(resolve));
  slot.cancel();
  await slot.idle();
  expect(errors).toEqual([first, second]);
});

test('what is awaited can be left, at once and before it began', async () => {
  const controller = new AbortController();
  const never = new Promise<void>(() => {});
  const waiting = abortable(never, controller.signal);
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(abortable(never, controller.signal)).rejects.toThrow('enough');
  await expect(abortable(Promise.resolve(5), new AbortController().signal)).resolves.toBe(5);
});
