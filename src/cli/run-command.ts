/** `stillhouse run` and `stillhouse resume`: a whole run on this machine. The command ends when the run ends. */

import { availableParallelism } from 'node:os';
import { relative } from 'node:path';
import type { Command } from 'commander';
import { requireRunFolder } from '../checkpoint/require-run-folder.js';
import type { Recipe } from '../config/schema.js';
import type { DataContent } from '../data/dataset.js';
import type { CoordinatorArguments } from '../protocol/parent.js';
import type { GivenTraining } from '../protocol/training-split.js';
import { checkRecipe } from '../recipe/check-recipe.js';
import { checkRun } from '../recipe/check-run.js';
import { overlapWarnings } from '../recipe/data-warning.js';
import { discardGivenModels } from '../recipe/given-model.js';
import { tellingGuesses } from '../recipe/guess.js';
import { learnedNothing } from '../recipe/learned-nothing.js';
import { action, type CliContext, EXIT_CODES, examples, FORCE, gather, QUICK } from './cli-context.js';
import { openRunView } from './open-run-view.js';
import type { Output } from './output.js';
import { placeWorkers, shortageOf } from './place-workers.js';
import { requireEngine } from './require-engine.js';
import { resultTable } from './result-table.js';
import { type RunEnd, type SupervisorOptions, supervise } from './supervisor.js';
import { tellWarnings } from './tell-warnings.js';
import { tellWork } from './tell-work.js';

/** The coordinator's address: any free port, reachable from this machine only. */
export const LISTEN = 'tcp://127.0.0.1:*';

interface RunOptions {
  readonly set?: readonly string[];
  readonly out: string;
  readonly quick?: boolean;
  readonly force?: boolean;
}

/** Adds the command to the program. */
export function addRunCommand(program: Command, context: CliContext): void {
  program
    .command('run')
    .description('train and distil as the recipe says, with a coordinator and workers on this machine')
    .argument('<recipe>', 'a recipe file')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .option('--out <folder>', "the folder in which the run's folder is made", 'runs')
    .option('--quick', QUICK)
    .option('--force', FORCE)
    .addHelpText(
      'after',
      examples('stillhouse run recipe.yaml', 'stillhouse run recipe.yaml --set stages.teacher.epochs=3 --set workers.students=4') +
        EXIT_CODES,
    )
    .action(
      action<RunOptions>(context, async ({ args: [file = ''], options, output }) => {
        const { set = [], quick, force } = options;
        const checked = await checkRecipe(file, { set, isQuick: quick, meanwhile: requireEngine });
        const { recipe, content, warnings, work, given, structures, training } = checked;
        tellWarnings(warnings, output);
        tellWork(work, output);
        const coordinator = { recipe: file, set, runsFolder: options.out, listen: LISTEN, insecure: false, force };
        return runHere({ recipe, content, structures, training, given, coordinator, context, output });
      }),
    );
}

/** Adds the command to the program. */
export function addResumeCommand(program: Command, context: CliContext): void {
  program
    .command('resume')
    .description('continue a run that was stopped or died, from its newest checkpoint')
    .argument('<run>', 'the folder of the run')
    .option(
      '--set <key=value>',
      'override a value of the recipe that may change, such as epochs; a path starts from this folder; may be given several times',
      gather,
    )
    .option('--quick', QUICK)
    .option('--force', FORCE)
    .addHelpText(
      'after',
      examples(
        'stillhouse resume runs/demo-20260101-120000',
        'stillhouse resume runs/demo-20260101-120000 --set stages.student.epochs=90',
        'stillhouse resume runs/demo-20260101-120000 --set data.path=./moved-data',
      ) + EXIT_CODES,
    )
    .action(
      action<Pick<RunOptions, 'set' | 'quick' | 'force'>>(
        context,
        async ({ args: [run = ''], options: { set = [], quick, force }, output }) => {
          requireRunFolder(run);
          const checked = await checkRun(run, { set, isQuick: quick, meanwhile: requireEngine });
          const { recipe, content, structures, warnings, training, given } = checked;
          tellWarnings(warnings, output);
          const coordinator = { resume: run, set, listen: LISTEN, insecure: false, force };
          return runHere({ recipe, content, structures, training, given, coordinator, context, output });
        },
      ),
    );
}

/** Supervises a run, shows its progress, and prints its results. Answers the exit code. */
export function runHere(options: HereOptions): Promise<number> {
  return superviseHere(options).finally(() => discardGivenModels(options.given));
}

interface HereOptions {
  readonly recipe: Recipe;
  readonly coordinator: CoordinatorArguments;
  readonly context: CliContext;
  readonly output: Output;
  /** The content of its data. */
  readonly content: DataContent;
  /** The structure of each of its models. */
  readonly structures: NonNullable<CoordinatorArguments['structures']>;
  /** The facts that are known of the images that its models from outside were trained on. */
  readonly training: GivenTraining;
  /** The folder of the models from outside; it is removed once the coordinator has taken them, and in any case at the end. */
  readonly given: string | null;
  /** Whether it is a part of a larger command, which shows the results and says how to go on. */
  readonly isPart?: boolean;
  /** The workers to start; an empty list when workers are started by hand; those of the recipe when left out. */
  readonly workers?: SupervisorOptions['workers'];
  readonly onListening?: NonNullable<SupervisorOptions['onListening']>;
}

async function superviseHere(options: HereOptions): Promise<number> {
  const { recipe, content, structures, training, given, coordinator, context, output } = options;
  const workers = options.workers ?? placeHere(recipe, output);
  const view = openRunView(output, context.clock);
  const { restarts } = recipe.workers;
  const onListening = (endpoint: string, run: string): void => {
    // The coordinator has its own copies. When that fails, it is tried again at the end, and told.
    discardGivenModels(given).catch(() => undefined);
    options.onListening?.(endpoint, run);
  };
  const args = { ...coordinator, ...(given === null ? {} : { given }), structures, training, guesses: tellingGuesses(content) };
  const end = await supervise({ coordinator: args, workers, restarts, view, clock: context.clock, onListening }).finally(() =>
    view.close(),
  );
  if (end.summary !== null) {
    const caveats = [...overlapWarnings(recipe, content, training), ...learnedNothing(recipe, content, end.summary)];
    if (output.json) output.result(JSON.stringify({ type: 'summary', ...end.summary, warnings: caveats }));
    else if (options.isPart === true) tellWarnings(caveats, output);
    else if (Object.keys(end.summary.accuracy).length > 0)
      output.result(resultTable(recipe, end.summary, { caveats, columns: output.columns }));
  }
  if (end.run !== null) output.note(`run folder: ${end.run}`);
  const again = options.workers === undefined ? 'resume' : 'coordinator --resume';
  if (end.run !== null && end.isResumable && options.isPart !== true) {
    const where = options.workers === undefined ? '' : addressOptions(coordinator);
    output.alert(`${whenToContinue(end)}: npx stillhouse ${again} ${typeable(end.run)}${where}${end.needsForce ? ' --force' : ''}`);
  }
  return end.code;
}

function whenToContinue({ mend, needsForce }: RunEnd): string {
  if (needsForce) return 'to continue the run all the same';
  return mend === null ? 'to continue the run' : `to continue the run when ${mend}`;
}

/** The options of a coordinator whose workers look for it at its old address. */
function addressOptions({ listen, dataListen, insecure }: CoordinatorArguments): string {
  return ` --listen ${listen}${dataListen === undefined ? '' : ` --data-listen ${dataListen}`}${insecure ? ' --insecure' : ''}`;
}

/** The path as a user can type it in this folder. */
function typeable(path: string): string {
  const near = relative('.', path);
  const short = near === '' || near.startsWith('..') ? path : near;
  return /^[\w./-]+$/.test(short) ? short : JSON.stringify(short);
}

/** The workers of the recipe. Warns when they have more threads than this machine has cores. */
function placeHere(recipe: Recipe, output: Output): SupervisorOptions['workers'] {
  const cores = availableParallelism();
  const workers = placeWorkers(recipe, cores);
  const shortage = shortageOf(workers, cores);
  if (shortage !== null) output.alert(`warning: ${shortage}`);
  const { engine } = recipe.workers;
  return workers.map(({ role, name, placement }) => ({ role, name, placement, engine, insecure: false }));
}
