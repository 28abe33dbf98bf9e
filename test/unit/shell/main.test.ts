/** The coordinator as a process: it never loads tfjs, survives hostile frames, runs, stops, resumes, and gives way. */

import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readJournal } from '../../../coordinator/shell/journal.js';
import { openCheckpointStore } from '../../../src/checkpoint/store.js';
import { EXIT } from '../../../src/errors/table.js';
import { distFolder } from '../../../src/process/package-folder.js';
import type { CoordinatorArguments, CoordinatorToParent } from '../../../src/protocol/parent.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';
import { RECIPE } from './recipe.js';
import { scratchFolder } from './scratch-folder.js';
import { ScriptedStudent, type StudentOptions } from './scripted-student.js';

const MAIN = join(distFolder, 'coordinator/main.js');
const NO_TFJS = new URL('./no-tfjs.mjs', import.meta.url).href;

type MessageOf<T extends CoordinatorToParent['type']> = Extract<CoordinatorToParent, { type: T }>;

class CoordinatorProcess {
  readonly messages: CoordinatorToParent[] = [];
  readonly child: ChildProcess;
  readonly ended: Promise<number | NodeJS.Signals | null>;
  #wake: () => void = () => {};

  constructor(argument: Partial<CoordinatorArguments>, { hasParent = true }: { readonly hasParent?: boolean } = {}) {
    const text = JSON.stringify({ listen: 'tcp://127.0.0.1:*', insecure: false, ...argument });
    const execArgv = ['--import', NO_TFJS];
    const hear = (message: CoordinatorToParent): void => {
      this.messages.push(message);
      this.#wake();
    };
    if (hasParent) {
      this.child = fork(MAIN, [text], { execArgv, serialization: 'advanced', stdio: 'inherit' });
      this.child.on('message', hear);
    } else {
      const child = spawn(process.execPath, [...execArgv, MAIN, text], { stdio: ['ignore', 'pipe', 'inherit'] });
      createInterface(child.stdout).on('line', (line) => hear(JSON.parse(line)));
      this.child = child;
    }
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        this.#wake();
        resolve(code ?? signal);
      });
    });
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.ended;
    });
  }

  /** The first message of a type, and of a report's type. */
  async said<T extends CoordinatorToParent['type']>(type: T, report?: string): Promise<MessageOf<T>> {
    for (;;) {
      const found = this.messages.find((message) => message.type === type && (report === undefined || isReport(message, report)));
      if (found !== undefined) return found as MessageOf<T>;
      if (this.child.exitCode !== null) throw new Error(`it ended without saying ${type}: ${JSON.stringify(this.messages)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

const isReport = (message: CoordinatorToParent, type: string): boolean => message.type === 'report' && message.report.type === type;

/** A run's folder to be, and the recipe's file. */
function prepared(change: object = {}): { recipe: string; runsFolder: string } {
  const folder = scratchFolder();
  const recipe = join(folder, 'recipe.yaml');
  writeFileSync(recipe, JSON.stringify({ ...RECIPE, ...change }));
  return { recipe, runsFolder: join(folder, 'runs') };
}

/** Three epochs of one round each. */
const LONGER = { stages: { base: { ...RECIPE.stages.base, epochs: 3, checkpointEvery: 1 } } };

async function student(endpoint: string, options: StudentOptions = {}): Promise<ScriptedStudent> {
  const connected = await ScriptedStudent.connect(endpoint, options);
  onTestFinished(() => connected.close());
  return connected;
}

const linesOf = (file: string): Record<string, unknown>[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('the guard against tfjs works', () => {
  for (const script of ["import '@tensorflow/tfjs-core'", "(await import('node:module')).createRequire('/')('@tensorflow/x')"]) {
    const result = spawnSync(process.execPath, ['--import', NO_TFJS, '--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(result).toMatchObject({ status: 1, stderr: expect.stringContaining('tfjs is loaded') });
  }
});

describe('a whole run', () => {
  test('from the recipe to the summary, and resumed after its end it says so', async () => {
    const { recipe, runsFolder } = prepared();
    const coordinator = new CoordinatorProcess({ recipe, runsFolder });
    const { endpoint, run } = await coordinator.said('listening');
    const worker = await student(endpoint);
    expect(await coordinator.ended).toBe(EXIT.done);
    await worker.stopped;
    expect(coordinator.messages.filter(({ type }) => type === 'error')).toEqual([]);

    const { summary, file } = await coordinator.said('summary');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(summary);
    expect(Object.keys(summary).sort()).toEqual([
      'accuracy',
      'agreement',
      'calibration',
      'commits',
      'durationSeconds',
      'engine',
      'imagesPerSecond',
      'late',
      'models',
      'restarts',
      'samplesCommitted',
      'skipped',
      'testLoss',
      'training',
      'trainingLoss',
      'waited',
      'wireBytes',
    ]);
    expect(summary).toMatchObject({
      engine: 'cpu',
      commits: 1,
      samplesCommitted: 64,
      restarts: 0,
      accuracy: { base: { last: 0.5, epoch: 1 } },
    });
    expect(readdirSync(run).sort()).toEqual([
      'basis.json',
      'checkpoints',
      'config.resolved.yaml',
      'export',
      'format',
      'journal',
      'log.jsonl',
      'metrics.jsonl',
      'summary.json',
      'terms',
    ]);
    const { records } = await readJournal(join(run, 'journal'));
    expect(records.map(({ type }) => type)).toEqual(
      ['term', 'commit', 'evaluation', 'checkpoint', 'stage-done', 'run-done'].filter((type) =>
        records.some((record) => record.type === type),
      ),
    );
    expect(records.at(-1)?.type).toBe('run-done');
    const { whole, damaged } = (await openCheckpointStore(join(run, 'checkpoints'))).list();
    expect({ damaged, ranges: whole.map(({ ranges }) => ranges) }).toEqual({ damaged: [], ranges: [[{ start: 0, end: 64 }]] });
    expect(linesOf(join(run, 'metrics.jsonl')).map(({ type }) => type)).toContain('stage-done');
    for (const line of linesOf(join(run, 'log.jsonl')))
      expect(line).toMatchObject({ role: expect.any(String), term: 1, event: expect.any(String) });

    const again = new CoordinatorProcess({ resume: run });
    expect(await again.ended).toBe(EXIT.done);
    expect((await again.said('report', 'run-ended')).report).toMatchObject({
      outcome: 'done',
      message: expect.stringContaining('finished before'),
    });
    expect((await again.said('summary')).summary).toEqual(summary);
    expect(readdirSync(join(run, 'terms'))).toEqual(['1']);
  });

  test('killed and resumed it goes on from its checkpoint, with a torn journal and an unfinished checkpoint', async () => {
    const { recipe, runsFolder } = prepared(LONGER);
    const first = new CoordinatorProcess({ recipe, runsFolder });
    const { endpoint, run } = await first.said('listening');
    const worker = await student(endpoint);
    await first.said('report', 'evaluated');
    worker.roundsLeft = 0;
    first.child.kill('SIGKILL');
    await first.ended;
    const journal = join(run, 'journal');
    const before = (await readJournal(journal)).records;
    appendFileSync(journal, '{"sum":"torn');

    const second = new CoordinatorProcess({ resume: run });
    const next = await second.said('listening');
    expect(next.run).toBe(run);
    await student(next.endpoint);
    expect(await second.ended).toBe(EXIT.done);
    const { records } = await readJournal(journal);
    expect(records.slice(0, before.length)).toEqual(before);
    expect(records.at(-1)).toEqual({ type: 'run-done', term: 2 });
    expect((await second.said('summary')).summary.samplesCommitted).toBe(192);
    // Checkpoints that were stored twice, of the same samples, would be told apart by their rounds.
    const { whole } = (await openCheckpointStore(join(run, 'checkpoints'))).list();
    expect(whole[0]?.ranges).toEqual([{ start: 0, end: 192 }]);
  });
});

describe('stopping', () => {
  test.each<[string, (child: ChildProcess) => void]>([
    ['the parent asks', (child: ChildProcess) => void child.send({ type: 'stop', reason: 'Ctrl-C' })],
    ['SIGTERM', (child: ChildProcess) => void child.kill('SIGTERM')],
    [
      'the whole process group gets SIGTERM',
      (child: ChildProcess) => {
        child.kill('SIGTERM');
        child.send({ type: 'stop', reason: 'SIGTERM' });
      },
    ],
  ])('when %s the run stops with a checkpoint, and can be resumed', async (_, ask) => {
    const { recipe, runsFolder } = prepared({
      stages: { base: { ...RECIPE.stages.base, epochs: 500, evaluateEvery: 500, checkpointEvery: 10_000 } },
    });
    const coordinator = new CoordinatorProcess({ recipe, runsFolder });
    const { endpoint, run } = await coordinator.said('listening');
    const worker = await student(endpoint);
    await coordinator.said('report', 'progress');
    ask(coordinator.child);
    expect(await coordinator.ended).toBe(EXIT.tryAgain);
    await worker.stopped;
    expect(await coordinator.said('error')).toMatchObject({ code: 'run.interrupted' });
    const { records } = await readJournal(join(run, 'journal'));
    const last = records.filter(({ type }) => type === 'commit').at(-1);
    expect((await openCheckpointStore(join(run, 'checkpoints'))).list().whole[0]).toMatchObject({
      state: { stage: 'base', peer: 'model', round: last?.type === 'commit' ? last.round : -1 },
    });
  });

  test('SIGINT is the parent to handle', async () => {
    const { recipe, runsFolder } = prepared();
    const coordinator = new CoordinatorProcess({ recipe, runsFolder });
    const { endpoint } = await coordinator.said('listening');
    coordinator.child.kill('SIGINT');
    await student(endpoint);
    expect(await coordinator.ended).toBe(EXIT.done);
  });

  test('it ends with its parent', async () => {
    const { recipe, runsFolder } = prepared();
    const coordinator = new CoordinatorProcess({ recipe, runsFolder });
    await coordinator.said('listening');
    coordinator.child.disconnect();
    expect(await coordinator.ended).not.toBe(EXIT.done);
  });

  test('by hand, a stop that waits for a checkpoint is cut short by one more SIGTERM', async () => {
    const { recipe, runsFolder } = prepared({ stages: { base: { ...LONGER.stages.base, evaluateEvery: 3, checkpointEvery: 100 } } });
    const coordinator = new CoordinatorProcess({ recipe, runsFolder }, { hasParent: false });
    const worker = await student((await coordinator.said('listening')).endpoint, { rounds: 1, saves: false });
    await coordinator.said('report', 'progress');
    coordinator.child.kill('SIGTERM');
    await worker.hears('coordinator.save');
    // Again and again: one that follows the first too closely is the same wish.
    const again = setInterval(() => coordinator.child.kill('SIGTERM'), 20);
    onTestFinished(() => clearInterval(again));
    expect(await coordinator.ended).toBe(EXIT.terminated);
  });
});

test('a second coordinator on the same host is refused, and leaves the run alone', async () => {
  const { recipe, runsFolder } = prepared(LONGER);
  const first = new CoordinatorProcess({ recipe, runsFolder });
  const { run } = await first.said('listening');
  const second = new CoordinatorProcess({ resume: run });
  expect(await second.ended).toBe(EXIT.tryAgain);
  expect(await second.said('error')).toMatchObject({
    code: 'run.busy',
    message: expect.stringContaining(`the process ${first.child.pid} of this machine`),
  });
  expect(readdirSync(join(run, 'terms'))).toEqual(['1']);
});

test('a second coordinator takes over from another host, and the first one ends', async () => {
  const { recipe, runsFolder } = prepared(LONGER);
  const first = new CoordinatorProcess({ recipe, runsFolder });
  const { endpoint, run } = await first.said('listening');
  const lazy = await student(endpoint, { rounds: 0 });
  await first.said('report', 'worker-joined');
  writeFileSync(join(run, 'terms', '1'), JSON.stringify({ host: 'elsewhere', pid: first.child.pid }));
  const second = new CoordinatorProcess({ resume: run });
  const next = await second.said('listening');
  // The first one writes nothing more: its student leaves, which it would report.
  await lazy.close();
  expect(await first.ended).toBe(EXIT.tryAgain);
  expect(await first.said('error')).toMatchObject({ code: 'run.busy', message: expect.stringContaining('taken over') });
  await student(next.endpoint);
  expect(await second.ended).toBe(EXIT.done);
  const { records } = await readJournal(join(run, 'journal'));
  expect(records.filter(({ term }) => term === 1).map(({ type }) => type)).toEqual(['term']);
});

test('hostile frames on both ports do not keep a run from its end', async () => {
  const { recipe, runsFolder } = prepared();
  const coordinator = new CoordinatorProcess({ recipe, runsFolder });
  const { endpoint, run } = await coordinator.said('listening');
  const log = linesOf(join(run, 'log.jsonl')).find(({ event }) => event === 'coordinator.listening');
  for (const target of [endpoint, String(log?.data)]) {
    const hostile = await zmqTransport.dial({
      endpoint: target,
      frameBytesMax: 1_000_000,
      framesMax: 40,
      queueMax: 4096,
      onMessage: () => {},
    });
    onTestFinished(() => hostile.close());
    for (let i = 0; i < 500; i++) hostile.send([Uint8Array.from({ length: i }, (_, j) => (i * j * 31) & 255)]);
    for (let i = 1; i < 40; i++) hostile.send(Array.from({ length: i }, () => new Uint8Array(i * 1000)));
    // One frame beyond the maximum of the control plane, which cuts the connection.
    hostile.send([new Uint8Array(900_000)]);
  }
  await student(endpoint);
  expect(await coordinator.ended).toBe(EXIT.done);
  expect(linesOf(join(run, 'log.jsonl')).filter(({ event }) => event === 'message.refused').length).toBeGreaterThan(10);
});

test('started by hand, it writes its messages as lines', () => {
  const result = spawnSync(process.execPath, [MAIN, 'hello'], { encoding: 'utf8' });
  expect(result.status).toBe(EXIT.usage);
  expect(JSON.parse(result.stdout)).toMatchObject({ type: 'error', code: 'usage.invalid' });
});
