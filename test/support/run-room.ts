/**
 * A place for each end-to-end test: a folder of its own with a space in its name, and the processes started from it.
 * After the test, whatever it did, none of them may be alive: those that are fail the test, and are killed.
 */

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { present } from '../../src/base/assert.js';
import { canFindProcesses, findMarked, killMarked, type MarkedProcess, markedEnvironment } from './marked-process.js';
import { RunProcess, type RunProcessOptions } from './run-process.js';

/** An engine whose agent was killed ends by itself within a second, as does the rest; on a loaded machine it takes longer. */
const LAST_BREATH_MS = 10_000;
const LOOK_EVERY_MS = 20;

export interface RunRoom {
  /** Absolute; removed after the test. */
  readonly folder: string;
  /** Where `run` and `resume` of this room keep runs. */
  readonly runs: string;
  /** Starts the command line in the folder. */
  start(...args: readonly string[]): RunProcess;
  startWith(options: Pick<RunProcessOptions, 'launcher' | 'waitMs' | 'env'>, ...args: readonly string[]): RunProcess;
  /** Writes a recipe (JSON is YAML) and answers its path. */
  recipe(content: object): string;
  processes(): readonly MarkedProcess[];
  /** The living process of the run that is the coordinator, or the agent or engine of the worker with this name. */
  coordinator(): number;
  agent(worker: string): number;
  engine(worker: string): number;
}

/** A room for each test of the file that calls this. */
export function useRunRoom(): RunRoom {
  let mark = '';
  let folder = '';
  beforeEach((context) => {
    context.skip(!canFindProcesses, 'the processes of a run are found by /proc, which is not here');
    mark = randomUUID();
    folder = mkdtempSync(join(tmpdir(), 'stillhouse e2e '));
  });
  afterEach(async ({ task }) => {
    const hasFailed = task.result?.state === 'fail';
    const left = hasFailed ? findMarked(mark) : await leftovers(mark);
    for (const { pid } of left) killMarked(pid);
    rmSync(folder, { recursive: true, maxRetries: 10 });
    // After a failure they are what it left behind.
    if (left.length > 0 && !hasFailed)
      throw new Error(`alive after the run:\n${left.map(({ pid, command }) => `${pid} ${command}`).join('\n')}`);
  });
  const find = (what: string, is: (candidate: MarkedProcess) => boolean): number =>
    present(
      findMarked(mark).find((candidate) => is(candidate)),
      `a living process of the run: ${what}`,
    ).pid;
  const agent = (worker: string): number =>
    find(
      `the agent of ${worker}`,
      ({ command }) => command.includes('/worker/main.js') && command.includes(`"name":${JSON.stringify(worker)}`),
    );
  const startWith: RunRoom['startWith'] = (options, ...args) =>
    new RunProcess(args, { ...options, env: { ...options.env, ...markedEnvironment(mark) }, cwd: folder });
  return {
    get folder() {
      return folder;
    },
    get runs() {
      return join(folder, 'runs');
    },
    start: (...args) => startWith({}, ...args),
    startWith,
    recipe(content) {
      const file = join(folder, 'recipe.yaml');
      writeFileSync(file, JSON.stringify(content));
      return file;
    },
    processes: () => findMarked(mark),
    coordinator: () => find('the coordinator', ({ command }) => command.includes('/coordinator/main.js')),
    agent,
    engine(worker) {
      const parent = agent(worker);
      return find(`the engine of ${worker}`, (candidate) => candidate.parent === parent);
    },
  };
}

/** The processes that are still alive when all have had time to end. The ends of strangers' children are no event: it looks again and again. */
async function leftovers(mark: string): Promise<readonly MarkedProcess[]> {
  const untilMs = Date.now() + LAST_BREATH_MS;
  for (;;) {
    const left = findMarked(mark);
    if (left.length === 0 || Date.now() > untilMs) return left;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
