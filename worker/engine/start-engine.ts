/**
 * An engine: it opens tfjs, listens on the data plane, and runs its role. main.ts runs it in a process of its own; tests
 * run it in theirs. It does not decide who works on what.
 */

import { join } from 'node:path';
import { assertNever } from '../../src/base/assert.js';
import type { Clock, TimerHandle } from '../../src/base/clock.js';
import { parseRecipe } from '../../src/config/load.js';
import type { EngineName } from '../../src/config/schema.js';
import { openEngine } from '../../src/engines/catalogue.js';
import type { Logger } from '../../src/log/logger.js';
import { cacheFolder } from '../../src/process/cache-folder.js';
import { requirePrecision } from '../../src/programs/choose-step.js';
import { serveData } from '../../src/rpc/data-server.js';
import { PART_ELEMENTS } from '../../src/tensor/state-parts.js';
import type { Transport } from '../../src/transport/transport.js';
import { Connections } from '../kit/connections.js';
import type { EngineContext } from '../kit/context.js';
import { FeedClient } from '../kit/feed-client.js';
import { SplitFetch } from '../kit/fetch-split.js';
import { Meter } from '../kit/meter.js';
import type { EngineOrder } from '../kit/orders.js';
import { requireModules } from '../kit/require-modules.js';
import type { Role } from '../kit/role.js';
import { SharedLoader } from '../kit/shared-loader.js';
import { SplitCache } from '../kit/split-cache.js';
import { DATA_TIMING } from '../kit/timing.js';
import { Student } from '../student/student.js';
import { Teacher } from '../teacher/teacher.js';
import type { EngineConfigure, FromEngine } from './engine-message.js';

export interface EngineOptions {
  readonly configure: EngineConfigure;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The program of the loader threads; by default the compiled one. */
  readonly loaderProgram?: URL;
  /** The elements of a state in one message; by default as many as a message takes. */
  readonly partElements?: number | undefined;
  /** Sends a message to the agent. */
  send(message: FromEngine): void;
  /** Ends the engine after an error that cannot be handled; see EngineContext. */
  crash(error: unknown): void;
}

export interface RunningEngine {
  handle(order: EngineOrder): void;
  close(): Promise<void>;
}

/**
 * Opens the engine of the configuration, its data plane and its role, and reports worker.ready. The caller closes it.
 * Throws engine.unusable, recipe.invalid, basis.differs or transport.bind.
 */
export async function startEngine(options: EngineOptions): Promise<RunningEngine> {
  const { configure, transport, clock, logger, loaderProgram, partElements = PART_ELEMENTS, send, crash } = options;
  const { term, incarnation, placement, dataEndpoint, listen } = configure;
  const recipe = parseRecipe(configure.recipe);
  await requireModules(recipe, configure.digests);
  const onTry = (engine: EngineName) => send({ type: 'engine.opening', engine });
  const { name, note, isMultithreaded, memory } = await openEngine(configure.engine ?? recipe.workers.engine, onTry);
  requirePrecision(name, recipe.engine);
  const compute = { engine: name, threads: isMultithreaded ? placement.threads : 1 };
  logger.info('engine.opened', { ...compute, device: placement.device, note });
  const connections = new Connections(transport, clock);
  const meter = new Meter(clock);
  const data = configure.data === null ? recipe.data : { ...recipe.data, path: configure.data };
  const feed = new FeedClient({ connections, endpoint: dataEndpoint, clock });
  const folder = join(cacheFolder(), 'fed');
  const onGet = (split: string) => send({ type: 'engine.fetching', split, path: data.path });
  const fetch = new SplitFetch({ recipe: data, client: feed, folder, limitBytes: configure.fedBytes, clock, logger, onGet });
  const splits = new SplitCache(data, configure.digests.splits, fetch);
  const loaders = new SharedLoader(recipe, { role: configure.role, threads: placement.threads, program: loaderProgram });
  const report: EngineContext['report'] = (message) => send({ ...message, term, incarnation });
  const showProgress = () => send(meter.progress(connections.bytes()));
  const context: EngineContext = {
    ...{ worker: configure.worker, term, incarnation, recipe, compute, memory, dataEndpoint },
    ...{ clock, connections, partElements, splits, loaders, meter, logger, showProgress, report, crash },
  };
  const role = roleOf(configure.role, context);
  const server = await serveData({ transport, endpoint: listen, answer: (request) => role.answer(request) });
  report({ type: 'worker.ready', endpoint: server.endpoint, engine: name });
  const progress = startProgress(clock, showProgress);
  return {
    handle: (order) => role.handle(order),
    async close() {
      progress.stop();
      feed.close();
      await role.close();
      await Promise.all([server.close(), connections.close(), loaders.close()]);
    },
  };
}

function roleOf(role: EngineConfigure['role'], context: EngineContext): Role {
  switch (role) {
    case 'student':
      return new Student(context);
    case 'teacher':
      return new Teacher(context);
    default:
      return assertNever(role, 'role');
  }
}

/** Reports the progress at a fixed interval, except while a batch is computed. So the agent also knows that the process is not stuck. */
function startProgress(clock: Clock, send: () => void): { stop(): void } {
  let timer: TimerHandle;
  const tick = () => {
    send();
    timer = clock.after(DATA_TIMING.progressMs, tick);
  };
  tick();
  return { stop: () => timer.cancel() };
}
