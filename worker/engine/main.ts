/**
 * The engine's process. Its agent starts, configures and kills it. It ends soon after its agent ends, also in the middle of
 * a kernel. It ignores signals, because its agent reacts to them.
 */

import { systemClock } from '../../src/base/clock.js';
import { parseRecipe } from '../../src/config/load.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import { EXIT } from '../../src/errors/table.js';
import { openLogger } from '../../src/log/logger.js';
import { plainLogger } from '../../src/log/plain-logger.js';
import { surviveClosedPipes } from '../../src/process/closed-pipe.js';
import { exitNow } from '../../src/process/exit.js';
import { linkToParent, type ParentLink } from '../../src/process/parent-link.js';
import { watchParent } from '../../src/process/parent-watch.js';
import { ignoreSignals } from '../../src/process/signal.js';
import { userFault, userModules } from '../../src/recipe/user-fault.js';
import { zmqTransport } from '../../src/transport/zmq-transport.js';
import { plainMemoryFault } from '../kit/context.js';
import type { EngineOrder } from '../kit/orders.js';
import type { EngineConfigure, FromEngine, ToEngine } from './engine-message.js';
import { type RunningEngine, startEngine } from './start-engine.js';

surviveClosedPipes();
const link = linkToParent<ToEngine, FromEngine>();
if (link === null) {
  console.error('This process is started by a worker: see stillhouse worker --help');
  exitNow(EXIT.usage);
}
ignoreSignals('SIGTERM');

let engine: Promise<RunningEngine> | null = null;
link.onMessage((message) => {
  if (message.type === 'engine.configure') engine ??= configure(message, link);
  else forward(message);
});

function forward(order: EngineOrder): void {
  // An engine that did not start has reported that. Later orders are dropped.
  engine?.then(
    (running) => running.handle(order),
    () => {},
  );
}

function configure(message: EngineConfigure, agent: ParentLink<ToEngine, FromEngine>): Promise<RunningEngine> {
  const { worker, role, run, term, incarnation, logFile } = message;
  const logger =
    logFile === null
      ? plainLogger({ name: `worker ${worker}`, write: (line) => console.error(line), leaveOut: ['work.failed'] })
      : openLogger({ bindings: { process: 'engine', run, role, worker, term, incarnation }, file: logFile });
  const crash = (error: unknown): void => {
    const fault = plainMemoryFault(error) ?? userFault(error, userModules(parseRecipe(message.recipe)));
    if (fault !== null) {
      agent.send({ type: 'engine.unusable', code: fault.code, message: fault.message, exitCode: fault.exitCode });
      return;
    }
    logger.error('engine.crashed', { error });
    exitNow(EXIT.failed);
  };
  process.on('uncaughtException', crash);
  watchParent((error) => logger.warn('engine.notWatching', { error }));
  const send = (report: FromEngine) => agent.send(report);
  const running = startEngine({ configure: message, transport: zmqTransport, clock: systemClock, logger, send, crash });
  running.catch((error: unknown) => {
    if (!(error instanceof StillhouseError) || error.retryable) crash(error);
    else agent.send({ type: 'engine.unusable', code: error.code, message: messageOf(error), exitCode: error.exitCode });
  });
  return running;
}
