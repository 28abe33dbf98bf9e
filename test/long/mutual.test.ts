/** Mutual learning by real processes: a whole run, and a stop and a resume to the same bits. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { auditRun, finalHashes } from '../support/audit.js';
import type { RunProcess } from '../support/run-process.js';
import { summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { mutualRecipe } from '../support/small-recipe.js';
import { startRun } from '../support/start-run.js';

const room = useRunRoom();
/** Bit for bit the same on every machine: one replica of each peer, on the engine that is plain JavaScript. */
const EXACT = mutualRecipe({ engine: 'cpu', images: 96, epochs: 3, testImages: 32 });

function reached(cli: RunProcess, share: number): Promise<unknown> {
  return cli.said('progress', ({ stage, committed, samples }) => stage === 'pair' && committed > share * samples);
}

test('after Ctrl-C: the same weights of both peers, bit for bit, as without; stages that name a peer use that one', async () => {
  const undisturbed = await startRun(room, EXACT);
  expect(await undisturbed.cli.exit()).toBe(0);
  const stopped = await startRun(room, EXACT);
  await reached(stopped.cli, 0.3);
  stopped.cli.interrupt();
  expect(await stopped.cli.exit()).toBe(130);
  expect((await auditRun(stopped.run))['pair.big'], 'the audit sees what is missing').not.toEqual([]);

  const resumed = room.start('resume', stopped.run, '--json');
  expect(await resumed.exit()).toBe(0);
  expect(await auditRun(stopped.run)).toEqual({ 'pair.big': [], 'pair.small': [] });
  const hashes = await finalHashes(stopped.run);
  expect(hashes).toEqual(await finalHashes(undisturbed.run));
  expect(Object.keys(hashes)).toEqual(['pair.big', 'pair.small']);
  const { accuracy, models, agreement } = summaryOf(stopped.run);
  expect(agreement['pair.big']?.small).toBe(agreement['pair.small']?.big);
  expect(Object.keys(accuracy)).toEqual(['pair.big', 'pair.small', 'tested']);
  expect(accuracy.tested?.last).toBe(accuracy['pair.small']?.last);
  expect(Object.keys(models)).toEqual(['big', 'small']);

  const out = join(room.folder, 'big');
  const exported = room.start('export', stopped.run, '--stage', 'pair.big', '--out', out);
  expect(await exported.exit()).toBe(0);
  expect(existsSync(join(out, 'model.json'))).toBe(true);
});
