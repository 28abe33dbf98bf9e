/** The whole command line: its commands, its global options, and the exit code of a wrong command line. */

import { Command, CommanderError } from 'commander';
import { EXIT } from '../errors/table.js';
import type { CliContext } from './cli-context.js';
import { examples } from './cli-context.js';
import { addCoordinatorCommand } from './coordinator-command.js';
import { addDataCommand } from './data-command.js';
import { addEngineCommand } from './engine-command.js';
import { addExportCommand } from './export-command.js';
import { addModelCommand } from './model-command.js';
import { tellAsJson } from './output.js';
import { addResumeCommand, addRunCommand } from './run-command.js';
import { addTableCommand } from './table-command.js';
import { addValidateCommand } from './validate-command.js';
import { addWorkerCommand } from './worker-command.js';

/** Runs the command line (without node and script) and answers the exit code. Throws only errors that are bugs of ours. */
export async function runProgram(args: readonly string[], context: CliContext, version: string): Promise<number> {
  const program = buildProgram(context, version);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return context.exitCode;
  } catch (error) {
    // Help and version end this way too, with the code 0. commander has printed the error already.
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    if (args.includes('--json')) tellAsJson({ code: 'usage.invalid', message: error.message.replace(/^error: /, '') });
    return EXIT.usage;
  }
}

function buildProgram(context: CliContext, version: string): Command {
  const program = new Command('stillhouse')
    .description('Distils small networks from large ones, with coordinator, teachers and students as processes.')
    .version(version)
    .option('--json', 'write JSON lines to the standard output, and nothing else there')
    .option('--quiet', 'write only errors and results')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(use --help for help)')
    .exitOverride()
    .addHelpText('after', examples('stillhouse run deploy/recipes/demo.yaml', 'stillhouse validate recipe.yaml', 'stillhouse run --help'));
  addRunCommand(program, context);
  addResumeCommand(program, context);
  addTableCommand(program, context);
  addCoordinatorCommand(program, context);
  addWorkerCommand(program, context);
  addValidateCommand(program, context);
  addExportCommand(program, context);
  addModelCommand(program, context);
  addEngineCommand(program, context);
  addDataCommand(program, context);
  return program;
}
