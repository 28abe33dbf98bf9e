/** The reason why a coordinator does not start is named, with the code of the table, and leaves nothing behind. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_TIMING } from '../../../coordinator/core/timing.js';
import { coordinate } from '../../../coordinator/shell/coordinate.js';
import { openJournal } from '../../../coordinator/shell/journal.js';
import { keepBasis } from '../../../coordinator/shell/run-basis.js';
import { createRunFolder, type RunFolder } from '../../../coordinator/shell/run-folder.js';
import { takeTerm } from '../../../coordinator/shell/term.js';
import { systemClock } from '../../../src/base/clock.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import type { CoordinatorArguments, CoordinatorToParent } from '../../../src/protocol/parent.js';
import { basisOf, readBasis } from '../../../src/recipe/basis.js';
import type { Listener } from '../../../src/transport/transport.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';
import { RECIPE, tinyRecipe } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';

/** Starts and, should it come to that, stops at once. */
async function started(
  args: Partial<CoordinatorArguments>,
  hear: (message: CoordinatorToParent) => void = () => {},
): Promise<{ code: number; told: CoordinatorToParent[] }> {
  const told: CoordinatorToParent[] = [];
  const code = await coordinate({
    args: { listen: 'tcp://127.0.0.1:*', insecure: false, ...args },
    transport: zmqTransport,
    clock: systemClock,
    timing: DEFAULT_TIMING,
    host: hostname(),
    pid: process.pid,
    stop: AbortSignal.abort('the test is over'),
    onCheckpointWanted: () => {},
    tell(message) {
      told.push(message);
      hear(message);
    },
  });
  return { code, told };
}

function prepared(change: object = {}): { recipe: string; runsFolder: string } {
  const folder = scratchFolder();
  const recipe = join(folder, 'recipe.yaml');
  writeFileSync(recipe, JSON.stringify({ ...RECIPE, ...change }));
  return { recipe, runsFolder: join(folder, 'runs') };
}

const holders = new Map<string, Listener>();

/** An address that something listens on until it is released, or the test is over. */
async function takenAddress(): Promise<string> {
  const holder = await zmqTransport.listen({ endpoint: 'tcp://127.0.0.1:*', frameBytesMax: 1, framesMax: 1, queueMax: 2, onMessage() {} });
  holders.set(holder.endpoint, holder);
  onTestFinished(() => release(holder.endpoint));
  return holder.endpoint;
}

async function release(endpoint: string): Promise<void> {
  await holders.get(endpoint)?.close();
  holders.delete(endpoint);
}

async function newRun(recipe = tinyRecipe()): Promise<RunFolder> {
  const folder = await createRunFolder({ runsFolder: scratchFolder(), recipe, wallMs: 0 });
  await keepBasis(folder, await basisOf(recipe));
  return folder;
}

const STAGE_DONE = {
  stage: 'base',
  tests: [],
  checkpoint: { round: 1, hashes: { model: 'ab'.repeat(32) } },
  ...{ best: {}, commits: 1, samples: 64, skipped: 0, waited: {}, late: {}, losses: {}, seconds: 1 },
};

describe('a new run', () => {
  test.each<[string, () => Partial<CoordinatorArguments>, string]>([
    ['neither recipe nor run', () => ({}), 'usage.invalid'],
    ['a recipe that is not there', () => ({ recipe: join(scratchFolder(), 'x.yaml') }), 'recipe.unreadable'],
    ['a recipe with an unknown key', () => prepared({ stagez: {} }), 'recipe.invalid'],
    ['data that is not there', () => prepared({ data: { ...RECIPE.data, path: 'nowhere' } }), 'data.missing'],
    ['an address off loopback', () => ({ ...prepared(), listen: 'tcp://10.0.0.1:*' }), 'transport.insecure'],
    ['a data address off loopback', () => ({ ...prepared(), dataListen: 'tcp://10.0.0.1:*' }), 'transport.insecure'],
    ['an address that nobody can dial', () => ({ ...prepared(), listen: 'tcp://0.0.0.0:*', insecure: true }), 'transport.bind'],
  ])('%s', async (_, argumentsOf, code) => {
    const args = argumentsOf();
    await expect(started(args)).rejects.toMatchObject({ code });
    if (args.runsFolder !== undefined) expect(existsSync(args.runsFolder)).toBe(false);
  });

  test.each(['listen', 'dataListen'])('an address that is taken (%s)', async (option) => {
    const args = prepared();
    await expect(started({ ...args, [option]: await takenAddress() })).rejects.toMatchObject({ code: 'transport.bind' });
    expect(existsSync(args.runsFolder)).toBe(false);
  });

  test('an address that is free stays so when the other one is taken', async () => {
    const [listen, dataListen] = [await takenAddress(), await takenAddress()];
    await release(listen);
    await expect(started({ ...prepared(), listen, dataListen })).rejects.toMatchObject({ code: 'transport.bind' });
    await release(dataListen);
    expect((await started({ ...prepared(), listen, dataListen })).told[0]).toMatchObject({ type: 'listening', endpoint: listen });
  });
});

test('the checkpoint that is not whole when the run ends leaves nothing', async () => {
  let checkpoints = '';
  await started(prepared(), (message) => {
    if (message.type !== 'listening') return;
    checkpoints = join(message.run, 'checkpoints');
    mkdirSync(join(checkpoints, 'base/1/.unfinished-model'), { recursive: true });
  });
  expect(readdirSync(checkpoints)).toEqual([]);
});

describe('a run to resume', () => {
  test('a folder that is no run', async () => {
    await expect(started({ resume: scratchFolder() })).rejects.toMatchObject({ code: 'run.invalid' });
  });

  test('a damaged basis is named, and the run is left as it was', async () => {
    const folder = await newRun();
    writeFileSync(folder.basis, readFileSync(folder.basis, 'utf8').slice(0, 100));
    await expect(started({ resume: folder.path })).rejects.toMatchObject({ code: 'run.invalid', details: { file: folder.basis } });
    expect(existsSync(folder.terms)).toBe(false);
  });

  test('a basis that lacks the structures of the models gets them, and keeps them without a caller that knows them', async () => {
    const folder = await newRun();
    const structures = { small: { digest: 'ab'.repeat(32), layers: 3, parameters: 9 } };
    expect(readBasis(folder.basis)?.models).toEqual({});
    await started({ resume: folder.path, structures });
    expect(readBasis(folder.basis)?.models).toEqual(structures);
    await started({ resume: folder.path });
    expect(readBasis(folder.basis)?.models).toEqual(structures);
  });

  test('a damaged journal is named with its line, and the run is left as it was', async () => {
    const folder = await newRun();
    const journal = await openJournal(folder.journal);
    for (const term of [1, 2, 3]) await journal.append({ type: 'term', term: asTerm(term) });
    await journal.close();
    writeFileSync(folder.journal, readFileSync(folder.journal, 'utf8').replace('"term":2', '"term":7'));
    const before = readdirSync(folder.path);
    await expect(started({ resume: folder.path })).rejects.toMatchObject({
      code: 'run.invalid',
      details: { file: folder.journal, line: 2 },
    });
    expect(readdirSync(folder.path)).toEqual(before);
  });

  test('a model that the rest of the run needs and that is gone is named, and the run is left as it was', async () => {
    const of = { kind: 'export', of: 'base' };
    const folder = await newRun(tinyRecipe({ stages: { ...RECIPE.stages, out: of } }));
    const journal = await openJournal(folder.journal);
    await journal.append({ type: 'stage-done', term: asTerm(1), result: STAGE_DONE });
    await journal.close();
    await expect(started({ resume: folder.path })).rejects.toMatchObject({
      code: 'checkpoint.missing',
      message: expect.stringMatching(/^the stage out needs base, whose checkpoint .*checkpoints.base.1.model is gone\./),
    });
    expect(existsSync(folder.terms)).toBe(false);
  });

  test('a damaged checkpoint from which the run does not go on is a warning', async () => {
    const folder = await newRun();
    const journal = await openJournal(folder.journal);
    const commit = { stage: 'base', round: asRoundId(1), contributors: [asIncarnation(1)], ranges: [{ start: 0, end: 64 }], committed: 64 };
    const hashes = { model: 'ab'.repeat(32) };
    await journal.append({ type: 'commit', term: asTerm(1), ...commit, hashes, lockstep: {}, losses: {} });
    await journal.append({ type: 'checkpoint', term: asTerm(1), stage: 'base', round: 1, hashes });
    await journal.close();
    mkdirSync(join(folder.checkpoints, 'base', '1', 'model'), { recursive: true });
    mkdirSync(folder.terms);
    writeFileSync(join(folder.terms, '1'), '');
    const { told } = await started({ resume: folder.path });
    const message = expect.stringMatching(/^checkpoint base\/1 is damaged: .*manifest.json/);
    expect(told).toContainEqual({ type: 'report', report: { type: 'warning', stage: 'base', message } });
  });

  test('a run whose terms were lost is not gone on with under an old one', async () => {
    const folder = await newRun();
    const journal = await openJournal(folder.journal);
    await journal.append({ type: 'term', term: asTerm(4) });
    await journal.close();
    await expect(started({ resume: folder.path })).rejects.toMatchObject({
      code: 'run.invalid',
      message: expect.stringContaining('named 4'),
    });
    rmSync(folder.terms, { recursive: true });
    mkdirSync(folder.terms);
    writeFileSync(join(folder.terms, '4'), '');
    const { told } = await started({ resume: folder.path });
    expect(told).toContainEqual({ type: 'report', report: expect.objectContaining({ type: 'run-started', term: 5 }) });
  });

  test.each(['listen', 'dataListen'])('a taken address takes the run from nobody (%s)', async (option) => {
    const folder = await newRun();
    const held = await takeTerm(folder.terms, {});
    const before = readdirSync(folder.path, { recursive: true });
    await expect(started({ resume: folder.path, [option]: await takenAddress() })).rejects.toMatchObject({ code: 'transport.bind' });
    expect(readdirSync(folder.path, { recursive: true })).toEqual(before);
    held.requireNewest();
  });

  test('a finished run tells its summary again, unless it is damaged', async () => {
    const folder = await newRun();
    const journal = await openJournal(folder.journal);
    await journal.append({ type: 'term', term: asTerm(1) });
    await journal.append({ type: 'stage-done', term: asTerm(1), result: STAGE_DONE });
    await journal.append({ type: 'run-done', term: asTerm(1) });
    await journal.close();
    expect((await started({ resume: folder.path })).told.map(({ type }) => type)).toEqual(['report']);
    writeFileSync(folder.summary, '{"engine": "cpu"}');
    await expect(started({ resume: folder.path })).rejects.toMatchObject({ code: 'run.invalid', details: { file: folder.summary } });
  });

  test('durations of terms add up, also of one that was killed', async () => {
    const folder = await newRun();
    const at = (minute: number, seconds: number, type: string): string =>
      `${JSON.stringify({ time: new Date(60_000 * minute + 1000 * seconds).toISOString(), type })}\n`;
    const killed = at(0, 0, 'run-started') + at(0, 10, 'progress') + at(1, 0, 'progress');
    const stopped = at(10, 0, 'run-started') + at(10, 40, 'run-ended');
    writeFileSync(folder.metrics, `${killed}{"torn\n${stopped}`);
    const { told } = await started({ resume: folder.path });
    const summary = told.find((message) => message.type === 'summary');
    expect(summary?.summary.durationSeconds).toBeGreaterThan(100);
    expect(summary?.summary.durationSeconds).toBeLessThan(110);
  });
});
