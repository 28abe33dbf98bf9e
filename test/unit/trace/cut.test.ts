import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutRecording } from '../../../src/trace/cut.js';
import type { Recording } from '../../../src/trace/recording.js';
import { runRecording, type Sample, SCALAR, samples } from '../../support/recording-machine.js';

/** The first half, then the second on what the first has left. */
function runHalves({ recording, at, early, feeds, variables }: Sample): ReturnType<typeof runRecording> {
  const { first, second, stashFrom } = cutRecording(recording, at, early);
  const pick = (names: readonly string[]) =>
    Object.fromEntries(Object.keys(feeds).flatMap((n) => (names.includes(n) ? [[n, feeds[n]]] : [])));
  const empty = first.variables.slice(stashFrom).map(() => Number.NaN);
  const one = runRecording(first, pick(Object.keys(first.feeds)) as Record<string, number>, [...variables, ...empty]);
  const two = runRecording(second, pick(Object.keys(second.feeds)) as Record<string, number>, one.variables);
  return { outputs: { ...one.outputs, ...two.outputs }, variables: two.variables.slice(0, stashFrom) };
}

test('first half, then second half, is the whole', () => {
  fc.assert(
    fc.property(samples, (sample) => {
      expect(runHalves(sample)).toEqual(runRecording(sample.recording, sample.feeds, sample.variables));
    }),
    { numRuns: 300 },
  );
});

const recording: Recording = {
  feeds: { image: SCALAR, label: SCALAR },
  variables: [SCALAR, SCALAR],
  constants: [],
  operations: [
    {
      op: 'Add',
      attributes: [],
      inputs: [
        { from: 'feed', name: 'image' },
        { from: 'variable', index: 0 },
      ],
      outputs: [SCALAR],
    },
    { op: 'Neg', attributes: [], inputs: [{ from: 'operation', index: 0, output: 0 }], outputs: [SCALAR] },
    // ---- the cut
    {
      op: 'Sub',
      attributes: [],
      inputs: [
        { from: 'operation', index: 0, output: 0 },
        { from: 'feed', name: 'label' },
      ],
      outputs: [SCALAR],
    },
    {
      op: 'Add',
      attributes: [],
      inputs: [
        { from: 'feed', name: 'image' },
        { from: 'variable', index: 0 },
      ],
      outputs: [SCALAR],
    },
  ],
  assignments: [
    { from: 'operation', index: 1, output: 0 },
    { from: 'operation', index: 3, output: 0 },
  ],
  outputs: { logits: { from: 'operation', index: 0, output: 0 }, loss: { from: 'operation', index: 2, output: 0 } },
};

test('first half, then its undoing, leaves the variables as they were', () => {
  fc.assert(
    fc.property(samples, ({ recording: sample, at, early, feeds, variables }) => {
      const { first, undo, stashFrom } = cutRecording(sample, at, early);
      const own = Object.fromEntries(Object.keys(first.feeds).map((name) => [name, feeds[name] ?? Number.NaN]));
      const empty = first.variables.slice(stashFrom).map(() => Number.NaN);
      const one = runRecording(first, own, [...variables, ...empty]);
      expect(runRecording(undo, {}, one.variables).variables.slice(0, stashFrom)).toEqual(variables);
    }),
  );
});

test('what crosses the cut is put aside once, and nothing else is', () => {
  const { first, second, stashFrom } = cutRecording(recording, 2, ['image']);
  expect(stashFrom).toBe(2);
  // The activation, the image, and the variable as it was before the first half assigned it.
  expect(first.variables).toHaveLength(5);
  expect(second.variables).toEqual(first.variables);
  expect([Object.keys(first.feeds), Object.keys(second.feeds)]).toEqual([['image'], ['label']]);
  expect([Object.keys(first.outputs), Object.keys(second.outputs)]).toEqual([['logits'], ['loss']]);
  expect(first.assignments.map((value) => value !== null)).toEqual([true, false, true, true, true]);
  expect(second.assignments.map((value) => value !== null)).toEqual([false, true, false, false, false]);
});

test('the first half touches its feeds in one place only, where it copies them', () => {
  fc.assert(
    fc.property(samples, ({ recording: sample, at, early }) => {
      const { first } = cutRecording(sample, at, early);
      const { feeds, operations, assignments, outputs } = first;
      const copies = operations.filter(({ op }) => op === 'DeepCopy');
      expect(copies.map(({ inputs }) => inputs)).toEqual(Object.keys(feeds).map((name) => [{ from: 'feed', name }]));
      const others = operations.filter(({ op }) => op !== 'DeepCopy').flatMap(({ inputs }) => inputs);
      for (const value of [...others, ...assignments, ...Object.values(outputs)]) expect(value?.from).not.toBe('feed');
    }),
  );
});
