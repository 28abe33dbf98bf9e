/**
 * The process of a worker: it runs the agent. It takes one argument: WorkerArguments of src/protocol/parent.ts, as JSON. It
 * ends when its parent ends. SIGTERM or the parent's 'stop' drains it; the parent's 'checkpoint' asks for one. Without a parent, SIGINT and
 * SIGHUP drain it too, SIGUSR1 asks for a checkpoint, and a second signal ends it at once.
 *
 * Exit codes (src/errors): 0 the run is over or the worker has drained, 1 it failed, 2 it was refused or called wrongly,
 * 75 the coordinator is gone.
 */

import { availableParallelism, hostname } from 'node:os';
import { z } from 'zod';
import { systemClock } from '../src/base/clock.js';
import { DEVICES, ENGINE_CHOICES } from '../src/config/schema.js';
import { asStillhouseError, messageOf, StillhouseError } from '../src/errors/stillhouse-error.js';
import { EXIT } from '../src/errors/table.js';
import { openLogger } from '../src/log/logger.js';
import { plainLogger } from '../src/log/plain-logger.js';
import { surviveClosedPipes } from '../src/process/closed-pipe.js';
import { exitAfterFlush } from '../src/process/exit.js';
import { linkToParent } from '../src/process/parent-link.js';
import { onStopRequest } from '../src/process/stop-request.js';
import { field } from '../src/protocol/field.js';
import type { ParentToWorker, WorkerToParent } from '../src/protocol/parent.js';
import { engineEnvironment } from '../src/system/engine-environment.js';
import { describeProcessor } from '../src/system/processor.js';
import { requireEndpoint, requireLoopback } from '../src/transport/endpoint.js';
import { zmqTransport } from '../src/transport/zmq-transport.js';
import { startAgent } from './agent/agent.js';
import { childEngineHost } from './agent/engine-host.js';
import { DEFAULT_SESSION_TIMING } from './agent/session-types.js';

/** The bytes of coded images from the coordinator that are kept, unless the caller says otherwise. */
const FED_BYTES = 20 * 2 ** 30;

const argumentsSchema = z.strictObject({
  role: field.role,
  coordinator: z.string(),
  name: field.name,
  engine: z.enum(ENGINE_CHOICES).nullable().default(null),
  placement: z
    .strictObject({ device: z.enum(DEVICES), threads: z.int().min(1) })
    .default(() => ({ device: 'cpu' as const, threads: availableParallelism() })),
  peer: field.peer.nullable().default(null),
  listenHost: z.string().min(1).default('127.0.0.1'),
  data: z.string().min(1).nullable().default(null),
  fedBytes: z.int().min(0).default(FED_BYTES),
  insecure: z.boolean(),
  logFile: z.string().nullable().default(null),
});

surviveClosedPipes();
const link = linkToParent<ParentToWorker, WorkerToParent>();

function readArguments(): z.infer<typeof argumentsSchema> {
  try {
    return argumentsSchema.parse(JSON.parse(process.argv[2] ?? ''));
  } catch (error) {
    throw new StillhouseError('usage.invalid', `the argument of the worker is not valid: ${messageOf(error)}`);
  }
}

async function work(): Promise<number> {
  const { role, coordinator, name, peer, engine, placement, listenHost, data, fedBytes, insecure, logFile } = readArguments();
  const listen = `tcp://${listenHost}:*`;
  for (const endpoint of [coordinator, listen]) {
    requireEndpoint(endpoint);
    requireLoopback(endpoint, { insecure });
  }
  const logger =
    logFile === null
      ? plainLogger({ name: `worker ${name}`, write: (line) => console.error(line), leaveOut: ['engine.crashed', 'engine.stuck'] })
      : openLogger({ bindings: { process: 'agent', worker: name, role }, file: logFile });
  const { threads } = placement;
  const environment = engineEnvironment({ threads, processor: describeProcessor(), inherited: process.env });
  const agent = await startAgent({
    plan: { worker: name, role, peer, host: hostname().slice(0, 256), pid: process.pid, timing: DEFAULT_SESSION_TIMING },
    coordinator,
    engine,
    placement,
    listen,
    data,
    fedBytes,
    logFile,
    transport: zmqTransport,
    clock: systemClock,
    engineHost: childEngineHost(environment),
    logger,
    // With a log file, the worker is part of a whole run, and the coordinator tells people about it.
    tell: (text) => {
      if (logFile === null) link?.send({ type: 'line', text });
    },
  });
  const stop = (reason: string): void => agent.stop(reason);
  onStopRequest(link, { clock: systemClock, ask: stop, force: stop, checkpoint: () => agent.checkpoint() });
  const { code, reason } = await agent.ended;
  // The coordinator reports the errors of workers with a log file, too.
  if (code !== EXIT.done && logFile === null) console.error(`error: ${reason}`);
  return code;
}

async function main(): Promise<number> {
  try {
    return await work();
  } catch (error) {
    const known = asStillhouseError(error);
    if (known === null) throw error;
    console.error(`error (${known.code}): ${known.message}`);
    return known.exitCode;
  }
}

process.exitCode = EXIT.failed;
const code = await main();
await link?.sent();
await exitAfterFlush(code);
