/** `stillhouse validate`: checks whether a recipe can be run, without running it. */

import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { explainRecipe } from '../config/explain.js';
import { loadStages } from '../config/outside-model.js';
import { modelKey, modelLabel, peerNamed } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import { stageOrder } from '../config/stage-graph.js';
import { EXIT } from '../errors/table.js';
import { checkRecipe } from '../recipe/check-recipe.js';
import { discardGivenModels } from '../recipe/given-model.js';
import { workWarnings } from '../recipe/work-size.js';
import { action, type CliContext, examples, gather, QUICK } from './cli-context.js';
import { formatClasses, formatCount } from './format-figure.js';
import { placeWorkers, shortageOf } from './place-workers.js';
import { requireEngine } from './require-engine.js';
import { tellWarnings } from './tell-warnings.js';
import { describeWork } from './tell-work.js';

interface ValidateOptions {
  readonly set?: readonly string[];
  readonly explain?: boolean;
  readonly quick?: boolean;
}

/** Adds the command to the program. */
export function addValidateCommand(program: Command, context: CliContext): void {
  program
    .command('validate')
    .description('check a recipe, its data files, its models and its losses, and list all errors')
    .argument('<recipe>', 'a recipe file')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .option('--explain', 'print the recipe with all its defaults')
    .option('--quick', QUICK)
    .addHelpText('after', examples('stillhouse validate recipe.yaml', 'stillhouse validate recipe.yaml --explain'))
    .action(
      action<ValidateOptions>(context, async ({ args: [file = ''], options, output }) => {
        const { set, quick } = options;
        const checked = await checkRecipe(file, { set, isQuick: quick, meanwhile: requireEngine });
        await discardGivenModels(checked.given);
        const { recipe, data, content, parameters, tried, engine, warnings, work } = checked;
        const cores = availableParallelism();
        const workers = placeWorkers(recipe, cores);
        const shortage = shortageOf(workers, cores);
        const all = [...(shortage === null ? [] : [shortage]), ...warnings, ...workWarnings(work)];
        if (output.json)
          output.result(JSON.stringify({ type: 'recipe', recipe, splits: data.splitSizes, parameters, tried, work, warnings: all }));
        else if (options.explain) output.result(explainRecipe(recipe).trimEnd());
        else {
          const splits = content.splits.map(
            ({ name, samples, classCounts }) => `${name} ${formatCount(samples)} (${formatClasses(classCounts)})`,
          );
          output.result(`${file} can be run`);
          output.result(`data: ${data.height}x${data.width}x${data.channels}, ${data.classes} classes; images: ${splits.join(', ')}`);
          output.result(`models: ${describeModels(recipe, parameters)}`);
          output.result(`stages: ${stageOrder(recipe).join(', ')}`);
          output.result(describeTrial(tried, engine));
          for (const size of work) output.result(`  ${describeWork(size)}`);
          const threads = workers.map(({ name, placement }) => `${name} ${placement.threads}`);
          output.result(`threads on ${cores} cores: ${threads.join(', ')}`);
        }
        if (!output.json) tellWarnings(all, output);
        return EXIT.done;
      }),
    );
}

/** The models of the recipe, and those from outside, with their sizes. */
function describeModels(recipe: Recipe, parameters: Readonly<Record<string, number>>): string {
  const labels = new Map(loadStages(recipe).map(([stage]) => [modelKey(recipe, peerNamed(stage)), modelLabel(recipe, peerNamed(stage))]));
  const texts = Object.entries(parameters).map(([key, count]) => `${labels.get(key) ?? key} ${formatCount(count)} parameters`);
  // Two stages may take the same model.
  return [...new Set(texts)].join(', ');
}

function describeTrial(tried: readonly string[], engine: string | null): string {
  return engine === null
    ? 'tried: no training step'
    : `tried: a training step on two images of each of ${tried.join(', ')} (engine ${engine})`;
}
