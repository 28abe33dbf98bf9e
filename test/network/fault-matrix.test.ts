/**
 * Mutual learning over a network, with real processes: whatever is cut, stopped, killed or slow, the run ends well, both peers have
 * the same commits, and every sample counts once in each. STILLHOUSE_FAULTS=all runs the long faults too. Prints a table.
 */

import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { auditRun, finalCheckpoints } from '../support/audit.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe } from '../support/small-recipe.js';
import { inflict, spellCase } from './fault.js';
import { FAULT_CASES } from './fault-matrix.js';
import { type FaultOutcome, readOutcome, tabulate } from './fault-outcome.js';
import { whyNoNetwork } from './namespace-network.js';
import { NetworkRun } from './network-run.js';

/** The exit code where another try goes on. */
const TRY_AGAIN = 75;

const room = useRunRoom();
const noNetwork = whyNoNetwork();
const rows: { name: string; verdict: string; outcome: FaultOutcome | null }[] = [];
let run: NetworkRun | null = null;

beforeEach((context) => context.skip(noNetwork !== null, noNetwork ?? ''));
afterEach(() => {
  run?.close();
  run = null;
});
afterAll(() => {
  if (rows.length > 0) process.stdout.write(`\n${tabulate(rows)}\n`);
});

const wanted = process.env.STILLHOUSE_FAULTS === 'all' ? FAULT_CASES : FAULT_CASES.filter(({ isShort }) => isShort);

test.each(wanted.map((one) => [spellCase(one), one] as const))('%s', async (name, one) => {
  const row = { name, verdict: 'failed', outcome: null as FaultOutcome | null };
  rows.push(row);
  run = new NetworkRun(room, one);
  await run.start(mutualRecipe({ replicas: one.replicas, epochs: one.replicas === 1 ? 20 : 30 }));
  await run.committed(0.1);
  const faultMs = Date.now();
  const healMs = await inflict(one.fault, run);
  const last = await run.end();
  row.verdict = `exits ${JSON.stringify(Object.fromEntries(run.exits))}`;
  row.outcome = await readOutcome(name, run.run, { faultMs, healMs });
  const { coordinator, ...workers } = last;
  expect(coordinator).toBe(0);
  // A worker that is still cut off when the run ends finds no coordinator any more.
  for (const [worker, code] of Object.entries(workers)) expect([0, TRY_AGAIN], worker).toContain(code);
  const isKilled = one.fault.type === 'kill' && one.fault.part === 'coordinator';
  expect(run.exits.get('coordinator')?.slice(0, -1)).toEqual(isKilled ? [TRY_AGAIN] : []);
  expect(await auditRun(run.run)).toEqual({ 'pair.big': [], 'pair.small': [] });
  const [big, small] = [...(await finalCheckpoints(run.run)).values()].map(({ state: { round }, ranges }) => ({ round, ranges }));
  expect(big, 'both peers have the same commits').toEqual(small);
  expect(row.outcome.longestPause, 'the fault came in mid-stage').toBeGreaterThan(0);
  row.verdict = 'ok';
});
