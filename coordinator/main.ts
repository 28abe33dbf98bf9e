/**
 * The coordinator process. It takes one argument: CoordinatorArguments of src/protocol/parent.ts, as JSON. With a parent, it
 * sends its messages over the parent's channel, and ends when the parent ends. Started by hand, it writes the same messages
 * as JSON lines to the standard output. It never loads tfjs. SIGTERM or the parent's 'stop' stops the run with a checkpoint; the parent's
 * 'checkpoint' asks for one in between. Without a parent, SIGINT and SIGHUP stop it too, SIGUSR1 asks for a checkpoint, and a second signal
 * ends the process at once.
 */

import { hostname } from 'node:os';
import { z } from 'zod';
import { systemClock } from '../src/base/clock.js';
import { asStillhouseError, messageOf, StillhouseError } from '../src/errors/stillhouse-error.js';
import { EXIT } from '../src/errors/table.js';
import { surviveClosedPipes } from '../src/process/closed-pipe.js';
import { exitAfterFlush, exitNow } from '../src/process/exit.js';
import { linkToParent } from '../src/process/parent-link.js';
import { exitCodeOf } from '../src/process/signal.js';
import { onStopRequest } from '../src/process/stop-request.js';
import type { CoordinatorArguments, CoordinatorToParent, ParentToCoordinator } from '../src/protocol/parent.js';
import { givenTrainingSchema } from '../src/protocol/training-split.js';
import { structuresSchema } from '../src/recipe/basis.js';
import { zmqTransport } from '../src/transport/zmq-transport.js';
import { DEFAULT_TIMING } from './core/timing.js';
import { coordinate } from './shell/coordinate.js';

/** The time from the request to stop to the end of the process, even if something delays the orderly stop. */
const STOP_MS = 9_500;

const argumentsSchema: z.ZodType<CoordinatorArguments> = z.strictObject({
  recipe: z.string().optional(),
  set: z.array(z.string()).optional(),
  resume: z.string().optional(),
  runsFolder: z.string().optional(),
  given: z.string().optional(),
  structures: structuresSchema.optional(),
  training: givenTrainingSchema.optional(),
  listen: z.string(),
  dataListen: z.string().optional(),
  insecure: z.boolean(),
  guesses: z.record(z.string(), z.strictObject({ share: z.number(), most: z.number() })).optional(),
  force: z.boolean().optional(),
  feedRate: z.number().positive().optional(),
});

surviveClosedPipes();
const link = linkToParent<ParentToCoordinator, CoordinatorToParent>();

function tell(message: CoordinatorToParent): void {
  if (link !== null) link.send(message);
  else process.stdout.write(`${JSON.stringify(message)}\n`);
}

const stop = new AbortController();
let askForCheckpoint = (): void => {};

onStopRequest(link, {
  clock: systemClock,
  ask(reason) {
    stop.abort(reason);
    systemClock.after(STOP_MS, () => exitNow(EXIT.tryAgain), { unref: true });
  },
  force: (signal) => exitNow(exitCodeOf(signal)),
  checkpoint: () => askForCheckpoint(),
});

function readArguments(): CoordinatorArguments {
  try {
    return argumentsSchema.parse(JSON.parse(process.argv[2] ?? ''));
  } catch (error) {
    throw new StillhouseError('usage.invalid', `the argument of the coordinator is not valid: ${messageOf(error)}`);
  }
}

async function main(): Promise<number> {
  try {
    return await coordinate({
      args: readArguments(),
      transport: zmqTransport,
      clock: systemClock,
      timing: DEFAULT_TIMING,
      host: hostname(),
      pid: process.pid,
      stop: stop.signal,
      onCheckpointWanted(handler) {
        askForCheckpoint = handler;
      },
      tell,
    });
  } catch (error) {
    const known = asStillhouseError(error);
    if (known !== null) {
      tell({ type: 'error', code: known.code, message: known.message, mend: null });
      return known.exitCode;
    }
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    tell({ type: 'error', code: 'run.failed', message: `the coordinator failed, please report it: ${messageOf(error)}`, mend: null });
    return EXIT.failed;
  }
}

const code = await main();
await link?.sent();
await exitAfterFlush(code);
