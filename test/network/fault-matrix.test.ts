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

/** The coordinator's exit codes before the last: another command goes on. */
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

test.each(wanted.map((one) => ({ ...one, name: spellCase(one) })))('$name', async ({ name, ...one }) => {
  const row = { name, verdict: 'failed', outcome: null as FaultOutcome | null };
  rows.push(row);
  run = new NetworkRun(room, one);
  await run.start(mutualRecipe({ replicas: one.replicas, epochs: 30 }));
  await run.committed(0.1);
  const faultMs = Date.now();
  const healMs = await inflict(one.fault, run);
  const last = await run.end();
  row.verdict = `exits ${JSON.stringify(Object.fromEntries(run.exits))}`;
  row.outcome = await readOutcome(name, run.run, { faultMs, healMs });
  expect(new Set(Object.values(last)), 'all ended well').toEqual(new Set([0]));
  expect(new Set(run.exits.get('coordinator')?.slice(0, -1))).toEqual(
    new Set(one.fault.type === 'kill' && one.fault.part === 'coordinator' ? [TRY_AGAIN] : []),
  );
  expect(await auditRun(run.run)).toEqual({ 'pair.big': [], 'pair.small': [] });
  const [big, small] = [...(await finalCheckpoints(run.run)).values()].map(({ state: { round }, ranges }) => ({ round, ranges }));
  expect(big, 'both peers have the same commits').toEqual(small);
  expect(row.outcome.healToCommit, 'the fault came in mid-stage').not.toBeNull();
  row.verdict = 'ok';
});
