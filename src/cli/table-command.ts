/** `stillhouse table`: runs a recipe once for each of several seeds, one after another, and compares its stages over the seeds. */

import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { present } from '../base/assert.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { checkRecipe } from '../recipe/check-recipe.js';
import { checkRun } from '../recipe/check-run.js';
import { discardGivenModels } from '../recipe/given-model.js';
import { loadRecipe } from '../recipe/load-recipe.js';
import { action, type CliContext, EXIT_CODES, examples, FORCE, gather, QUICK } from './cli-context.js';
import type { Output } from './output.js';
import { requireEngine } from './require-engine.js';
import { LISTEN, runHere } from './run-command.js';
import { checkReferences } from './table/reference.js';
import { seedsOf } from './table/seed-option.js';
import { additionsTo, findSeedRuns, isComplete, readSeedResult, type SeedRun } from './table/seed-run.js';
import { type SeedResult, type TableInput, tableRows } from './table/table-row.js';
import { tableText } from './table/table-text.js';
import { tellWarnings } from './tell-warnings.js';
import { tellWork } from './tell-work.js';

interface TableOptions {
  readonly seeds: string;
  readonly set?: readonly string[];
  readonly out?: string;
  readonly baseline?: string;
  readonly kd?: string;
  readonly quick?: boolean;
  readonly force?: boolean;
}

/** Adds the command to the program. */
export function addTableCommand(program: Command, context: CliContext): void {
  program
    .command('table')
    .description('run a recipe with several seeds, one after another, and compare its stages over the seeds')
    .argument('<recipe>', 'a recipe file')
    .requiredOption('--seeds <seeds>', 'a number of seeds, from 1 up, or the seeds with commas between them')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .option('--out <folder>', "the folder of the table, with a run's folder for each seed (default: runs/NAME-table)")
    .option('--baseline <stage>', 'the stage that others are compared with (default: of kind train, with the same model and images)')
    .option('--kd <stage>', 'another one (default: of the same model and images, with hinton as its only term)')
    .option('--quick', QUICK)
    .option('--force', FORCE)
    .addHelpText(
      'after',
      examples('stillhouse table recipe.yaml --seeds 5', 'stillhouse table recipe.yaml --seeds 3,5,8 --out runs/mine') + HELP + EXIT_CODES,
    )
    .action(
      action<TableOptions>(context, async ({ args: [file = ''], options, output }) => {
        const seeds = seedsOf(options.seeds);
        refuseSeed(options.set ?? []);
        return new Table({ file, seeds, options, context, output }).make();
      }),
    );
}

const HELP = `

Called again with the same folder, it takes the runs that are done, resumes one that is not, and runs what is missing: also
stages that the recipe did not have before.`;

/** Throws `usage.invalid` for an override of the seed: it would have no effect. */
function refuseSeed(set: readonly string[]): void {
  if (set.some((text) => /^\s*seed\s*=/.test(text)))
    throw new StillhouseError('usage.invalid', '--set seed: the seeds of a table are those of --seeds');
}

interface TableCall {
  readonly file: string;
  readonly seeds: readonly number[];
  readonly options: TableOptions;
  readonly context: CliContext;
  readonly output: Output;
}

/** The part of a table that a seed has. */
interface SeedPlan {
  readonly seed: number;
  /** Its run; null when it has none yet. */
  readonly run: SeedRun | null;
  /** Overrides that give the run the stages that it does not have. */
  readonly additions: readonly string[];
  readonly isDone: boolean;
}

class Table {
  readonly #call: TableCall;
  readonly #set: readonly string[];

  constructor(call: TableCall) {
    this.#call = call;
    this.#set = call.options.set ?? [];
  }

  async make(): Promise<number> {
    const { file, options, output } = this.#call;
    const recipe = await loadRecipe(file, { set: this.#set });
    const chosen = { baseline: options.baseline, kd: options.kd };
    checkReferences(chosen, recipe);
    const out = options.out ?? join('runs', `${recipe.name}-table`);
    const before = await findSeedRuns(out);
    const plans = await this.#plan(before);
    const isReady = plans.every(({ isDone }) => isDone);
    const checked = await checkRecipe(file, {
      set: this.#set,
      isQuick: isReady || options.quick,
      ...(isReady ? {} : { meanwhile: requireEngine }),
    });
    await discardGivenModels(checked.given);
    tellWarnings(checked.warnings, output);
    tellWork(checked.work, output);
    for (const plan of plans) {
      const code = await this.#train(plan, out);
      if (code === EXIT.done) continue;
      output.alert(
        `the table is not complete: to go on, give the same command again${options.out === undefined ? '' : ` (--out ${options.out})`}`,
      );
      return code;
    }
    const results = await this.#results(out);
    const bytes = Object.assign({}, ...checked.work.map(({ bytesFromTeacher }) => bytesFromTeacher)) as Record<string, number>;
    this.#show({ recipe, results, chosen, bytes });
    return EXIT.done;
  }

  /** Holds the runs that are there against the recipe. */
  async #plan(before: ReadonlyMap<number, SeedRun>): Promise<readonly SeedPlan[]> {
    const plans: SeedPlan[] = [];
    for (const seed of this.#call.seeds) {
      const run = before.get(seed) ?? null;
      const recipe = await loadRecipe(this.#call.file, { set: this.#setOf(seed) });
      const additions = run === null ? [] : await additionsTo(run, recipe);
      plans.push({ seed, run, additions, isDone: run !== null && isComplete(run, recipe) });
    }
    return plans;
  }

  #setOf(seed: number): readonly string[] {
    return [...this.#set, `seed=${seed}`];
  }

  /** Runs the seed, or the rest of its run. */
  async #train({ seed, run, additions, isDone }: SeedPlan, out: string): Promise<number> {
    const { file, options, context, output } = this.#call;
    const { force } = options;
    if (run !== null && isDone) {
      output.note(`seed ${seed}: done in ${relative('.', run.folder)}`);
      return EXIT.done;
    }
    // The recipe was tried once; the data and modules are read again, because a table takes long.
    const check = { isQuick: true, meanwhile: requireEngine };
    if (run !== null) {
      output.note(`seed ${seed}: going on with ${relative('.', run.folder)}`);
      const checked = await checkRun(run.folder, { ...check, set: additions });
      tellWarnings(checked.warnings, output);
      const coordinator = { resume: run.folder, set: additions, listen: LISTEN, insecure: false, force };
      return runHere({ ...checked, coordinator, context, output, isPart: true });
    }
    output.note(`seed ${seed}`);
    const set = this.#setOf(seed);
    const checked = await checkRecipe(file, { ...check, set });
    const coordinator = { recipe: file, set, runsFolder: out, listen: LISTEN, insecure: false, force };
    return runHere({ ...checked, coordinator, context, output, isPart: true });
  }

  async #results(out: string): Promise<readonly SeedResult[]> {
    const runs = await findSeedRuns(out);
    return Promise.all(this.#call.seeds.map((seed) => readSeedResult(present(runs.get(seed), `the run of seed ${seed}`))));
  }

  #show(input: TableInput): void {
    const { seeds, output } = this.#call;
    const rows = tableRows(input);
    if (output.json) output.result(JSON.stringify({ type: 'table', seeds, rows }));
    else output.result(tableText(rows, seeds, output.columns));
  }
}
