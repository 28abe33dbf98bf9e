/** How the bench measures a row: with sides that are real processes and say what they are told to. */

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageFolder } from '../../../src/process/package-folder.js';
import { compareNumbers } from '../../bench/gate.js';
import type { Exchange, KnowledgeBytes } from '../../bench/protocol.js';
import type { Measured } from '../../bench/result.js';
import type { Row, SideStart } from '../../bench/row.js';
import { measureRow, profileRow } from '../../bench/runner.js';

interface Script {
  readonly name?: string;
  readonly unusable?: string;
  readonly numbers?: readonly number[];
  /** Those of each step: the warm-up first, then turn by turn. */
  readonly seconds?: readonly number[];
  /** The traffic of a step. */
  readonly exchange?: Exchange;
  readonly knowledge?: KnowledgeBytes;
  readonly failAt?: string;
  readonly exitAt?: string;
}

function scripted(script: Script): SideStart {
  const file = join(packageFolder, 'test/support/process/scripted-side.mjs');
  return { label: script.name ?? 'scripted', command: process.execPath, args: [file, JSON.stringify(script)], env: {}, imagesPerStep: 10 };
}

function rowOf(ours: SideStart, anchors: readonly SideStart[]): Row {
  const compare = (a: { numbers: readonly number[] }, b: { numbers: readonly number[] }) => compareNumbers(a.numbers, b.numbers, 0.01);
  return { name: 'row', what: 'a row', warmUp: 2, prepare: async () => ({ ours, anchors, compare }) };
}

const settings = { batch: 10, threads: 1, trace: 'auto', torch: null, folder: '' } as const;
const options = { pairs: 3, turnSeconds: 4, warmUp: null, tell() {} };

function measure(ours: Script, ...anchors: readonly Script[]) {
  return measureRow(rowOf(scripted(ours), anchors.map(scripted)), settings, options);
}

test('a row takes turns and compares turn with turn', async () => {
  const result = (await measure({ name: 'ours', seconds: [1, 1, 2, 1] }, { name: 'theirs', seconds: [9, 2, 2, 3] })) as Measured;
  // 10 images a step. Ratios 2/1, 2/2, 3/1.
  expect(result.ratio).toEqual({ median: 2, min: 1, max: 3 });
  expect(result.ours).toMatchObject({ name: 'ours', rate: 10, rates: [10, 5, 10], warmUp: { steps: 2, seconds: 2 } });
  expect(result.anchor).toMatchObject({ name: 'theirs', rate: 5 });
  // Four seconds a turn, at the pace of each side's warm-up.
  expect(result.ours.turns.map(({ steps }) => steps)).toEqual([4, 4, 4]);
  expect(result.anchor.turns.map(({ steps }) => steps)).toEqual([1, 1, 1]);
});

test('of several anchors the fastest is the anchor', async () => {
  const result = (await measure({ seconds: [1] }, { name: 'slow', seconds: [3] }, { name: 'fast', seconds: [2] })) as Measured;
  expect(result.anchor.name).toBe('fast');
  expect(result.ratio.median).toBe(2);
  expect(result.others.map(({ name }) => name)).toEqual(['slow']);
});

describe('no speed is told', () => {
  test('when the sides compute different things', async () => {
    const result = await measure({ numbers: [1, 2] }, { name: 'theirs', numbers: [1, 2.5] });
    expect(result).toEqual({ row: 'row', failed: "gate failed against theirs: value 2 is 2.00000, the anchor's 2.50000" });
  });

  test('when ours cannot work here', async () => {
    expect(await measure({ name: 'ours', unusable: 'not installed' }, {})).toEqual({ row: 'row', skipped: 'ours: not installed' });
  });

  test('when no anchor can', async () => {
    const result = await measure({}, { name: 'one', unusable: 'no torch' }, { name: 'two', exitAt: 'never', unusable: 'no compiler' });
    expect(result).toMatchObject({ skipped: 'one: no torch; two: no compiler' });
  });

  test('when the command of an anchor is not there', async () => {
    const nowhere = { ...scripted({}), label: 'PyTorch', command: '/nowhere/python' };
    const result = await measureRow(rowOf(scripted({}), [nowhere]), settings, options);
    expect(result).toMatchObject({ skipped: 'PyTorch: /nowhere/python cannot be started (ENOENT)' });
  });

  test('when a side fails in its run', async () => {
    expect(await measure({}, { failAt: 'run' })).toEqual({ row: 'row', failed: 'run does not work' });
  });

  test('when a side ends in its run: with its last words', async () => {
    expect(await measure({ exitAt: 'run' }, {})).toEqual({ row: 'row', failed: 'it ended (exit code 3): RuntimeError: out of luck' });
  });
});

test('an anchor that cannot work, or computes something else, does not stand in the way of the others', async () => {
  const result = await measure({}, { name: 'one', unusable: 'no compiler' }, { name: 'two', numbers: [7] }, { name: 'three' });
  expect(result).toMatchObject({
    anchor: { name: 'three' },
    notes: expect.arrayContaining([
      'an anchor is left out: one: no compiler',
      "gate failed against two: value 1 is 1.00000, the anchor's 7.00000",
    ]),
  });
});

test('the traffic of a side of several processes is kept turn by turn, and told', async () => {
  const exchange = { bytes: 102, rawBytes: 100, waitedSeconds: 0.5 };
  const result = (await measure({ name: 'ours', exchange, seconds: [2] }, { name: 'theirs' })) as Measured;
  expect(result.ours.turns.map((turn) => turn.exchange)).toEqual(
    Array.from({ length: 3 }, () => ({ bytes: 204, rawBytes: 200, waitedSeconds: 1 })),
  );
  expect(result.anchor.turns[0]?.exchange).toBeNull();
  expect(result.notes).toContain(
    'ours: 102 bytes a step between its processes, 1.020 x the predictions; each waits 500.0 ms a step, 25.0 % of the time',
  );
});

test('the size of what a step of ours takes from its teacher is told, if ours says it', async () => {
  const knowledge = { bytes: 800, reckoned: 400 };
  expect(await measure({ knowledge }, {})).toMatchObject({ knowledge });
  expect(await measure({}, { knowledge })).toMatchObject({ knowledge: null });
});

test('a profile is of ours alone', async () => {
  const row = rowOf(scripted({}), [{ ...scripted({}), command: '/nowhere/python' }]);
  expect(await profileRow(row, settings, options)).toEqual({ profile: [{ name: 'all', calls: 1, total: 2, own: 2 }] });
});
