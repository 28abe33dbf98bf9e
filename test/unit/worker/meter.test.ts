import { expect, test } from 'vitest';
import { Meter } from '../../../worker/kit/meter.js';
import { VirtualClock } from '../shell/virtual-clock.js';

test('counts batches, images and time, and knows the 95th percentile of the last batches', () => {
  const clock = new VirtualClock();
  const meter = new Meter(clock);
  expect(meter.progress(7)).toEqual({ type: 'engine.progress', progress: 0, images: 0, busyMs: 0, dataBytes: 7, batchMs: null });
  const batch = (ms: number) => meter.measure(4, () => clock.freeze(ms));
  expect(batch(30).elapsedMs).toBe(30);
  expect(meter.progress(0)).toMatchObject({ progress: 1, images: 4, busyMs: 30, batchMs: 30 });
  for (let i = 0; i < 128; i++) batch(i === 5 ? 500 : 10);
  // The first batch is out of the window, and one long one in a hundred is not the 95th percentile; but it may come again.
  expect(meter.progress(0)).toMatchObject({ progress: 129, images: 516, batchMs: 100 });
  meter.forgetTimes();
  expect(meter.progress(0)).toMatchObject({ progress: 129, batchMs: null });
  for (let i = 0; i < 20; i++) batch(i === 5 ? 30 : 10);
  expect(meter.progress(0)).toMatchObject({ batchMs: 10 });
});
