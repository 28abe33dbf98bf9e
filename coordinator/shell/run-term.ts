/**
 * One term of a run: opens everything around the core in the order in which it may be used (the term first, because every
 * record names it), runs the core to its end, and closes everything except the sockets, which its caller opened.
 */

import { mkdir } from 'node:fs/promises';
import { assert, present } from '../../src/base/assert.js';
import type { Clock } from '../../src/base/clock.js';
import { type SteadyClock, steadyClock } from '../../src/base/steady-clock.js';
import { type CheckpointStore, openCheckpointStore } from '../../src/checkpoint/store.js';
import { recipeJson } from '../../src/config/load.js';
import type { Recipe } from '../../src/config/schema.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { ERROR_TABLE, EXIT } from '../../src/errors/table.js';
import { type Logger, openLogger } from '../../src/log/logger.js';
import type { CoordinatorArguments, CoordinatorToParent, RunSummary } from '../../src/protocol/parent.js';
import type { Report } from '../../src/protocol/report.js';
import type { GivenTraining } from '../../src/protocol/training-split.js';
import { trainingOf } from '../../src/recipe/given-training.js';
import type { Transport } from '../../src/transport/transport.js';
import { recover } from '../core/recovery.js';
import { startRun, stepRun } from '../core/run.js';
import type { RunPlan, Timing } from '../core/types.js';
import { DataStore } from './data-store.js';
import { performEffect } from './effects.js';
import { Exporter } from './exporter.js';
import { lostModelOf } from './finished-models.js';
import { storeGivenModels } from './given-models.js';
import type { Inbox } from './inbox.js';
import { type Journal, openJournal, readJournal } from './journal.js';
import { type LineFile, openLineFile } from './line-file.js';
import type { RunFolder } from './run-folder.js';
import { lostCheckpoints, mendOf, progressOf } from './run-progress.js';
import { writeSummary } from './run-summary.js';
import { type FinishEffect, runToEnd } from './runner.js';
import type { Sockets } from './sockets.js';
import { SplitFeed } from './split-feed.js';
import { type HeldTerm, takeTerm } from './term.js';

/** Everything that the process gives to a coordinator. */
export interface CoordinateOptions {
  readonly args: CoordinatorArguments;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly timing: Timing;
  /** The machine and the process, for the term's file. */
  readonly host: string;
  readonly pid: number;
  /** Aborted with a reason: the run then stops, with a checkpoint. */
  readonly stop: AbortSignal;
  /** `handler` is to be called when somebody wants a checkpoint; the run goes on. */
  onCheckpointWanted(handler: () => void): void;
  tell(message: CoordinatorToParent): void;
}

export interface TermRun {
  readonly folder: RunFolder;
  readonly recipe: Recipe;
  readonly splitSizes: RunPlan['splitSizes'];
  readonly digests: RunPlan['digests'];
  /** The facts that are known of the images that the models from outside were trained on. */
  readonly training: GivenTraining;
  /** The seconds that earlier terms took. */
  readonly earlierSeconds: number;
  /** Finished stages that go on, or are done again. */
  readonly reopened: readonly string[];
  /** Writes with what the run goes on from now on, once the journal has the stages that go on. */
  keepChanges(): Promise<void>;
  /** Bound. The caller closes them. */
  readonly sockets: Sockets;
}

/** Everything that is open during a term. */
interface Opened {
  readonly term: HeldTerm;
  readonly logger: Logger;
  readonly journal: Journal;
  readonly store: CheckpointStore;
  readonly metrics: LineFile;
  readonly clock: SteadyClock;
}

/** Within this time the last message, that the run is over, has been sent. */
const FAREWELL_MS = 250;

/** Runs a term and returns the exit code. Throws `run.busy`, `run.unwritable`, `run.invalid`, and broken invariants. */
export async function runTerm(options: CoordinateOptions, run: TermRun): Promise<number> {
  const startedMs = options.clock.nowMs();
  const { folder } = run;
  const term = await takeTerm(folder.terms, {
    host: options.host,
    pid: options.pid,
    since: new Date(options.clock.wallMs()).toISOString(),
  });
  const logger = openLogger({ file: folder.log, bindings: { run: folder.name, role: 'coordinator', term: term.term } });
  const closers: Closer[] = [];
  try {
    const opened = await open(options, { folder, term, logger, closers });
    const end = await runCore(options, run, opened);
    term.requireNewest();
    // A put that has not ended may have left gigabytes.
    await opened.store.sweep().catch((error: unknown) => logger.warn('checkpoint.notSwept', { error }));
    const seconds = run.earlierSeconds + (options.clock.nowMs() - startedMs) / 1000;
    await tellEnd(options, run, { end, seconds });
    await new Promise<void>((resolve) => options.clock.after(FAREWELL_MS, resolve));
    return end.code === null ? EXIT.done : ERROR_TABLE[end.code].exitCode;
  } catch (error) {
    logger.error('coordinator.failed', { error });
    throw error;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

type Closer = () => Promise<void> | void;

async function open(
  options: CoordinateOptions,
  { folder, term, logger, closers }: { folder: RunFolder; term: HeldTerm; logger: Logger; closers: Closer[] },
): Promise<Opened> {
  const journal = await openJournal(folder.journal);
  closers.push(() => journal.close());
  const store = await openCheckpointStore(folder.checkpoints);
  await store.sweep();
  const { whole, damaged } = store.list();
  for (const { place, message } of damaged) logger.warn('checkpoint.damaged', { checkpoint: place, message });
  const newest = Math.max(0, ...journal.records.map((record) => record.term), ...whole.map((checkpoint) => checkpoint.term));
  if (newest >= term.term) {
    throw new StillhouseError('run.invalid', `the run was in term ${newest} already, and the files of its terms are gone`, {
      file: folder.terms,
      hint: `Put an empty file named ${newest} there to go on`,
    });
  }
  await mkdir(folder.exports, { recursive: true });
  const metrics = await openLineFile(folder.metrics);
  closers.push(() => metrics.close());
  const clock = steadyClock(options.clock);
  closers.push(() => clock.close());
  return { term, logger, journal, store, metrics, clock };
}

async function runCore(options: CoordinateOptions, run: TermRun, opened: Opened): Promise<FinishEffect> {
  const { stop, tell, timing } = options;
  const { control, dataEndpoint, inbox } = run.sockets;
  const { term, logger, journal, store, clock } = opened;
  const { splits } = run.digests;
  const rate = options.args.feedRate ?? null;
  const feed = new SplitFeed({ recipe: run.recipe.data, fingerprints: splits, clock: options.clock, logger, rate });
  const data = new DataStore({
    term,
    store,
    feed,
    logger,
    onStored: (event) => inbox.add(event),
    onOver: (error) => inbox.fail(error),
  });
  const exporter = new Exporter({
    term,
    store,
    folder: run.folder.exports,
    run: run.folder.name,
    recipe: run.recipe,
    trainedOn: (stage) => trainingOf(run.recipe, { run: run.folder.name, stage, splits, training: run.training }),
    logger,
    onEnd: (event) => inbox.add(event),
  });
  run.sockets.begin({ logger, answer: (request) => data.answer(request) });
  // In this order a crash between two lines leaves no stage done whose model trains on.
  const reopening = run.reopened.map((stage) => ({ type: 'reopen' as const, term: term.term, stage })).reverse();
  const records = [...journal.records, ...reopening];
  const done = new Set(recover(records, []).done.map(({ stage }) => stage));
  const plan: RunPlan = {
    run: run.folder.name,
    term: term.term,
    recipe: run.recipe,
    recipeJson: recipeJson(run.recipe),
    dataEndpoint,
    digests: run.digests,
    given: await storeGivenModels(store, { recipe: run.recipe, folder: options.args.given, term: term.term, done }),
    splitSizes: run.splitSizes,
    guesses: options.args.guesses ?? {},
    isForced: options.args.force ?? false,
    timing,
  };
  logger.info('coordinator.listening', { control: control.endpoint, data: plan.dataEndpoint });
  tell({ type: 'listening', endpoint: control.endpoint, run: run.folder.path });
  stopOn(stop, inbox);
  options.onCheckpointWanted(() => inbox.add({ type: 'checkpoint' }));
  for (const record of reopening) await journal.append(record);
  await run.keepChanges();
  const recovered = recover(records, store.list().whole);
  const report = reporter(options, opened);
  for (const message of lostCheckpoints(recovered, store.list().damaged)) {
    await report({ type: 'warning', stage: present(recovered.stage, 'the stage under way'), message });
  }
  const end = await runToEnd({
    start: (nowMs) => startRun(plan, recovered, nowMs),
    step: stepRun,
    inbox,
    clock,
    perform: (effect) => performEffect({ term, control, data, exporter, journal, store, logger, report }, effect),
    checkTerm: () => term.requireNewest(),
  });
  await exporter.idle();
  return end;
}

/** Tells the core of the stop, also when it was asked for before. */
function stopOn(stop: AbortSignal, inbox: Inbox): void {
  const add = (): void => inbox.add({ type: 'stop', reason: String(stop.reason) });
  if (stop.aborted) add();
  else stop.addEventListener('abort', add, { once: true });
}

/** Sends reports to the parent and appends them to metrics.jsonl. When that file cannot be written, training goes on. */
function reporter({ tell, clock }: CoordinateOptions, { metrics, logger }: Opened): (report: Report) => Promise<void> {
  return async (report) => {
    tell({ type: 'report', report });
    try {
      await metrics.append({ time: new Date(clock.wallMs()).toISOString(), ...report });
    } catch (error) {
      logger.warn('metrics.unwritten', { error });
    }
  };
}

async function tellEnd(
  { tell }: CoordinateOptions,
  { folder, recipe }: TermRun,
  { end, seconds }: { end: FinishEffect; seconds: number },
): Promise<void> {
  assert((end.outcome === 'done') === (end.code === null), `outcome ${end.outcome} with code ${end.code}`);
  const summary: RunSummary = { ...end.summary, durationSeconds: Math.round(seconds * 1000) / 1000 };
  await writeSummary(folder.summary, summary);
  tell({ type: 'summary', file: folder.summary, summary });
  if (end.code === null) return;
  const mend = await mendOf(end.code, recipe, async () => progressOf(folder, (await readJournal(folder.journal)).records));
  const lost = end.code === 'checkpoint.missing' ? await lostNow(folder, recipe) : null;
  tell({ type: 'error', code: end.code, message: lost?.message ?? end.message, mend });
}

/** The model that a run has lost, with the way out; null when its checkpoint is whole by now. */
async function lostNow(folder: RunFolder, recipe: Recipe): Promise<StillhouseError | null> {
  const { records } = await readJournal(folder.journal);
  const { begun } = await progressOf(folder, records);
  return lostModelOf(folder, { recipe, records, reopened: [], begun });
}
