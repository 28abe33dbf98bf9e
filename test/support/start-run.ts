/** Runs of a test's own room: by one command, and by a coordinator and workers that are started one by one. */

import { join } from 'node:path';
import type { RunProcess } from './run-process.js';
import type { useRunRoom } from './run-room.js';

type Room = ReturnType<typeof useRunRoom>;

/** Starts `stillhouse run`, and answers once its folder is there. */
export async function startRun(room: Room, recipe: object): Promise<{ cli: RunProcess; run: string }> {
  const cli = room.start('run', room.recipe(recipe), '--out', room.runs, '--json');
  const { run } = await cli.said('run-started');
  return { cli, run: join(room.runs, run) };
}

/** Starts a coordinator, and answers once it listens. */
export async function startCoordinator(room: Room, recipe: object): Promise<{ coordinator: RunProcess; endpoint: string; run: string }> {
  const coordinator = room.start('coordinator', room.recipe(recipe), '--listen', 'tcp://127.0.0.1:*', '--out', room.runs, '--json');
  const { endpoint, run } = await coordinator.said('listening');
  return { coordinator, endpoint, run };
}

/** Starts a worker by hand. Its name begins with its role. */
export function startWorker(room: Room, endpoint: string, name: string, ...more: readonly string[]): RunProcess {
  const role = name.startsWith('teacher') ? 'teacher' : 'student';
  return room.start('worker', '--role', role, '--coordinator', endpoint, '--name', name, ...more);
}

/** Resolves when so much of the stage is committed. */
export function reached(cli: RunProcess, stage: string, share: number): Promise<unknown> {
  return cli.said('progress', (line) => line.stage === stage && line.committed > share * line.samples);
}
