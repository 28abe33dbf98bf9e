/** `stillhouse coordinator`: a run whose workers are started by hand, here or on other machines. */

import { type Command, InvalidArgumentError } from 'commander';
import { requireRunFolder } from '../checkpoint/require-run-folder.js';
import type { Recipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { checkRecipe } from '../recipe/check-recipe.js';
import { checkRun } from '../recipe/check-run.js';
import { isLoopback } from '../transport/endpoint.js';
import { action, type CliContext, EXIT_CODES, examples, FORCE, gather, QUICK } from './cli-context.js';
import { checkEndpoint } from './endpoint-option.js';
import { requireEngine } from './require-engine.js';
import { runHere } from './run-command.js';
import { tellWarnings } from './tell-warnings.js';
import { tellWork } from './tell-work.js';

interface CoordinatorOptions {
  readonly listen: string;
  readonly dataListen?: string;
  readonly set?: readonly string[];
  readonly out: string;
  readonly resume?: string;
  readonly insecure?: boolean;
  readonly quick?: boolean;
  readonly force?: boolean;
  readonly feedRate?: number;
}

/** Adds the command to the program. */
export function addCoordinatorCommand(program: Command, context: CliContext): void {
  program
    .command('coordinator')
    .description('run a recipe with workers that are started by hand; prints the address that they connect to')
    .argument('[recipe]', 'a recipe file; leave it out with --resume')
    .option('--listen <address>', 'the address for workers; port * takes any free one', 'tcp://127.0.0.1:7700')
    .option('--data-listen <address>', 'the address for checkpoints (default: any port of the same host)')
    .option(
      '--set <key=value>',
      'override a value of the recipe; a path starts from its folder, or from this one with --resume; may be given several times',
      gather,
    )
    .option('--out <folder>', "the folder in which the run's folder is made", 'runs')
    .option('--resume <run>', 'continue the run in this folder')
    .option(
      '--feed-rate <MB/s>',
      'the most million bytes a second for workers that fetch the data from here (default: no limit)',
      parseRate,
    )
    .option('--quick', QUICK)
    .option('--force', FORCE)
    .option('--insecure', 'allow addresses that other machines can reach, without any protection')
    .addHelpText(
      'after',
      examples(
        'stillhouse coordinator recipe.yaml',
        'stillhouse coordinator recipe.yaml --listen tcp://10.0.0.1:7700 --insecure',
        'stillhouse coordinator --resume runs/demo-20260101-120000',
      ) + EXIT_CODES,
    )
    .action(
      action<CoordinatorOptions>(context, async ({ args: [file], options, output }) => {
        const { listen, dataListen, set = [], out, resume, insecure = false, quick, force, feedRate } = options;
        if ((file === undefined) === (resume === undefined)) {
          throw new StillhouseError('usage.invalid', 'give either a recipe or --resume with the folder of a run');
        }
        checkEndpoint(listen, insecure, output);
        if (dataListen !== undefined) checkEndpoint(dataListen, insecure, output);
        const start = file === undefined ? { resume: resume ?? '', set } : { recipe: file, set, runsFolder: out };
        if (resume !== undefined) requireRunFolder(resume);
        // Workers on other machines have their own engines.
        const meanwhile = async (loaded: Recipe): Promise<void> => (isLoopback(listen) ? requireEngine(loaded) : undefined);
        const check = { set, isQuick: quick, meanwhile };
        const begun = file === undefined ? null : await checkRecipe(file, check);
        const { recipe, content, structures, warnings, training, given } = begun ?? (await checkRun(resume ?? '', check));
        tellWarnings(warnings, output);
        if (begun !== null) tellWork(begun.work, output, 'with the students of the recipe: ');
        const coordinator = {
          ...start,
          listen,
          insecure,
          force,
          ...(dataListen === undefined ? {} : { dataListen }),
          ...(feedRate === undefined ? {} : { feedRate: 1e6 * feedRate }),
        };
        const onListening = (endpoint: string, run: string): void => {
          output.result(output.json ? JSON.stringify({ type: 'listening', endpoint, run }) : `listening on ${endpoint}`);
        };
        return runHere({ recipe, content, structures, training, given, coordinator, context, output, workers: [], onListening });
      }),
    );
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() !== '' && Number.isFinite(rate) && rate > 0) return rate;
  throw new InvalidArgumentError('It must be a number above 0.');
}
