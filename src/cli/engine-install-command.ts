/** `stillhouse engine install` and `remove`: for the engine that npm cannot install completely. */

import { Argument, type Command } from 'commander';
import { EXIT } from '../errors/table.js';
import { type Installed, installTensorflow } from '../native/install-tensorflow.js';
import { removeTensorflow } from '../native/remove-tensorflow.js';
import { cacheFolder } from '../process/cache-folder.js';
import { exitNow } from '../process/exit.js';
import { exitCodeOf, type StopSignal } from '../process/signal.js';
import { onStopSignal } from '../process/stop-request.js';
import { action, type CliContext, examples } from './cli-context.js';
import { formatDuration } from './format-figure.js';
import { openInstallView } from './install-view.js';
import type { Output } from './output.js';

const ABOUT_INSTALL = `
It downloads the wheel of libtensorflow (274 MB), unpacks the library (854 MB on disk), compiles tfjs's binding against it
and tries the engine. It needs Python with pip, a C++ compiler, and the network once. An install that was interrupted
continues where it stopped. All parts are in the user's cache folder (set STILLHOUSE_CACHE to use another one); one copy
serves every checkout.`;

/** Adds the two commands to `engine`. */
export function addEngineInstallCommands(engine: Command, context: CliContext): void {
  engine
    .command('install')
    .description("install an engine's native parts on this machine, once")
    .addArgument(installable())
    .addHelpText('after', ABOUT_INSTALL)
    .addHelpText(
      'after',
      examples('stillhouse engine install tensorflow', 'STILLHOUSE_CACHE=/data/cache stillhouse engine install tensorflow'),
    )
    .action(action<object>(context, ({ output }) => install(output, context)));
  engine
    .command('remove')
    .description("remove an engine's native parts and its downloads")
    .addArgument(installable())
    .addHelpText('after', examples('stillhouse engine remove tensorflow'))
    .action(
      action<object>(context, async ({ output }) => {
        const bytes = await removeTensorflow();
        if (output.json) output.result(JSON.stringify({ type: 'removed', bytes }));
        else if (bytes === 0) output.result(`there is nothing to remove: ${cacheFolder()} has no part of the engine tensorflow`);
        else output.result(`the engine tensorflow is removed from ${cacheFolder()}: ${megabytes(bytes)} MB are free again`);
        return EXIT.done;
      }),
    );
}

function installable(): Argument {
  return new Argument('<engine>', 'the engine; the others come with npm').choices(['tensorflow']);
}

async function install(output: Output, { clock }: CliContext): Promise<number> {
  const startMs = clock.nowMs();
  const view = openInstallView(output, clock);
  const stop = new AbortController();
  let stoppedBy: StopSignal | null = null;
  const offSignal = onStopSignal({
    clock,
    ask(signal) {
      stoppedBy = signal;
      stop.abort();
    },
    force: (signal) => exitNow(exitCodeOf(signal)),
  });
  try {
    const installed = await installTensorflow({ env: process.env, clock, signal: stop.signal, report: (report) => view.report(report) });
    view.close();
    tellInstalled(output, installed, (clock.nowMs() - startMs) / 1000);
    return EXIT.done;
  } catch (error) {
    view.close();
    if (stoppedBy === null) throw error;
    output.alert('stopped. The downloaded part is kept: run the same command again to continue');
    return exitCodeOf(stoppedBy);
  } finally {
    offSignal();
  }
}

function tellInstalled(output: Output, { done, folder, bytes }: Installed, seconds: number): void {
  if (output.json) {
    output.result(JSON.stringify({ type: 'installed', done, folder, bytes, seconds }));
    return;
  }
  const what = {
    nothing: 'the engine tensorflow is installed already, and works',
    binding: 'the engine tensorflow has a new binding, and works',
    all: 'the engine tensorflow is installed, and works',
  }[done];
  output.result(`${what}: ${megabytes(bytes)} MB in ${folder}; took ${formatDuration(seconds)}`);
}

function megabytes(bytes: number): string {
  return Math.round(bytes / 1e6).toLocaleString('en-US');
}
