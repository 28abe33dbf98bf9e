import { expect, test } from 'vitest';
import { StepPace } from '../../../worker/student/step-pace.js';

function paceOf(durations: readonly number[]): StepPace {
  const pace = new StepPace();
  for (const duration of durations) pace.add(duration);
  return pace;
}

const steps = (count: number, ms: number) => Array.from({ length: count }, () => ms);

test('nobody is late before some steps are known: the first ones build graphs', () => {
  expect(paceOf(steps(7, 100)).lateAfterMs(50)).toBeNull();
  expect(paceOf(steps(8, 100)).lateAfterMs(50)).toBe(500);
});

test.each([
  ['five times the median step', [...steps(10, 100), 9000, 12_000], 50, 500],
  ['never less than a quarter of a second', steps(20, 3), 1, 250],
  ['more where this cell is slow itself: its machine may be', steps(20, 100), 700, 3500],
  ['by the last steps alone', [...steps(100, 1000), ...steps(64, 100)], 50, 500],
])('%s', (_, durations, ownMs, lateMs) => {
  expect(paceOf(durations).lateAfterMs(ownMs)).toBe(lateMs);
});
