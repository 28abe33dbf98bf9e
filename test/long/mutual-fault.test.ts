/** Mutual learning by real processes when something does not go as it should: a late cell, a step that is not finite, a teacher that dies. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditRun, finalCheckpoints, skippedRanges } from '../support/audit.js';
import { journalOf, logged, nextLogged, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe } from '../support/small-recipe.js';

const room = useRunRoom();
const WHOLE = { 'pair.big': [], 'pair.small': [] };

function start(recipe: object) {
  return room.start('run', room.recipe(recipe), '--out', room.runs, '--json');
}

/** Stops an engine in mid-stage until the other one counts it as late. Answers the run's folder once the run is done. */
async function runWithPause(onLate: 'wait' | 'renormalise'): Promise<string> {
  const cli = start(mutualRecipe({ pair: { onLate } }));
  const { run: name } = await cli.said('run-started');
  const run = join(room.runs, name);
  await cli.said('progress', ({ stage, committed, samples }) => stage === 'pair' && committed > 0.2 * samples);
  const engine = room.engine('student-2');
  const late = nextLogged(run, 'student-1', 'exchange.late');
  process.kill(engine, 'SIGSTOP');
  await late;
  process.kill(engine, 'SIGCONT');
  expect(await cli.exit(), cli.stderr).toBe(0);
  expect(cli.lines().filter(({ type }) => type === 'worker-gone' || type === 'rollback')).toEqual([]);
  return run;
}

test.each(['wait', 'renormalise'] as const)('a cell that stands still, with onLate %s: it is late, nothing is lost', async (onLate) => {
  const run = await runWithPause(onLate);
  expect(await auditRun(run)).toEqual(WHOLE);
  const { late } = summaryOf(run);
  // It may be either peer that the stopped student trains; where others want the cores, the other may be late as well.
  expect(Math.max(...Object.values(late))).toBeGreaterThan(0);
});

/** Not finite where the first two images of a step have certain labels: a few of the steps, the same in every run. */
const RARELY_NAN = `
export const declaration = { takesOther: false };
export function sum({ labels, student: [logits] }, knobs, { core: tf }) {
  const first = tf.slice(labels.class_B, [0], [1]);
  const second = tf.slice(labels.class_B, [1], [1]);
  const isBad = tf.logicalAnd(tf.equal(first, 3), tf.equal(second, 7));
  const zero = tf.sum(tf.cast(tf.logicalNot(isBad), 'float32'));
  return { sum: tf.mul(tf.log(zero), tf.mean(logits)), count: logits.shape[0] };
}
`;

test('steps that are not finite in one peer: its column skips them, and every other sample is in both peers once', async () => {
  writeFileSync(join(room.folder, 'rarely-nan.mjs'), RARELY_NAN);
  const terms = [{ loss: 'hinton' }, { module: 'rarely-nan.mjs' }];
  const peers = { big: { model: 'big' }, small: { model: 'small', loss: { terms } } };
  const cli = start(mutualRecipe({ replicas: 2, epochs: 20, pair: { peers } }));
  const { run: name } = await cli.said('run-started');
  expect(await cli.exit(), cli.stderr).toBe(0);
  const run = join(room.runs, name);
  expect(await auditRun(run)).toEqual(WHOLE);
  const skipped = (await skippedRanges(run)).pair ?? [];
  const samples = skipped.reduce((sum, { start: from, end }) => sum + end - from, 0);
  expect(samples).toBeGreaterThan(0);
  expect(samples % 16).toBe(0);
  expect(summaryOf(run).skipped).toEqual({ pair: samples });
  const lines = cli.linesOf('skipped');
  expect(lines.map(({ peer }) => peer)).toEqual(lines.map(() => 'small'));
  expect(lines).toHaveLength(samples / 16);
  expect(logged(run, 'step.skipped')).toHaveLength(samples / 16);
});

test('a learning rate that is far too high: the run ends, and names the worker, the peer and the step', async () => {
  const peers = { big: { model: 'big', optimizer: { name: 'sgd', rate: 1, weightDecay: 1e30 } }, small: { model: 'small' } };
  const cli = start(mutualRecipe({ pair: { peers } }));
  expect(await cli.exit()).toBe(1);
  expect(cli.stderr).toMatch(/worker student-\d, pair\.big: stage pair, round \d+: the loss of step \d of 2 is (NaN|Infinity), not finite/);
  expect(cli.stderr).toMatch(/A lower learning rate, or warm-up, usually helps/);
});

test('peers that a teacher teaches as well, and the teacher dies in mid-stage', async () => {
  const cli = start(mutualRecipe({ isTaught: true }));
  const { run } = await cli.said('run-started');
  await cli.said('progress', ({ stage, committed, samples }) => stage === 'pair' && committed > 0.2 * samples);
  process.kill(room.engine('teacher-1'), 'SIGKILL');
  expect(await cli.exit(), cli.stderr).toBe(0);
  expect(await auditRun(join(room.runs, run))).toEqual({ base: [], ...WHOLE });
  const gone = cli.linesOf('worker-gone').map(({ role }) => role);
  expect(gone).toEqual(['teacher']);
});

test('Ctrl-C while the teacher does not answer: what the peers have trained is kept', async () => {
  const every = 30;
  const cli = start(mutualRecipe({ isTaught: true, pair: { every } }));
  const { run: name } = await cli.said('run-started');
  await cli.said('progress', ({ stage, committed, samples }) => stage === 'pair' && committed > 0.2 * samples);
  process.kill(room.engine('teacher-1'), 'SIGSTOP');
  cli.interrupt();
  expect(await cli.exit(), cli.stderr).toBe(130);
  expect(cli.stderr).not.toContain('not stopped within');
  expect(cli.linesOf('rollback')).toEqual([]);
  const run = join(room.runs, name);
  const last = (await journalOf(run, 'commit')).filter(({ stage }) => stage === 'pair').at(-1);
  for (const peer of ['pair.big', 'pair.small']) expect((await finalCheckpoints(run)).get(peer)?.state.round, peer).toBe(last?.round);
  const resumed = room.start('resume', run, '--json');
  expect(await resumed.exit(), resumed.stderr).toBe(0);
  expect(await auditRun(run)).toEqual({ base: [], ...WHOLE });
});
