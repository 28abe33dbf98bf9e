/** `stillhouse engine`: the engines of this machine. */

import type { Command } from 'commander';
import { ENGINE_NAMES } from '../config/schema.js';
import { EXIT } from '../errors/table.js';
import { action, type CliContext, examples } from './cli-context.js';
import { addEngineInstallCommands } from './engine-install-command.js';
import { addEngineTraceCommand } from './engine-trace-command.js';
import { probeEngines } from './probe-engines.js';

/** Adds the command to the program. */
export function addEngineCommand(program: Command, context: CliContext): void {
  const engine = program
    .command('engine')
    .description('list, install, remove or trace the engines of this machine')
    .addHelpText('after', examples('stillhouse engine list', 'stillhouse engine install tensorflow'));
  engine
    .command('list')
    .description('show each engine and whether it can be used here, in the order in which auto tries them')
    .addHelpText('after', examples('stillhouse engine list', 'stillhouse engine list --json'))
    .action(
      action<object>(context, async ({ output }) => {
        for (const probe of await probeEngines(ENGINE_NAMES)) {
          if (output.json) output.result(JSON.stringify(probe));
          else output.result(`${probe.name.padEnd(12)}${probe.usable ? 'usable    ' : 'not usable'}  ${probe.note}`);
        }
        return EXIT.done;
      }),
    );
  addEngineInstallCommands(engine, context);
  addEngineTraceCommand(engine, context);
}
