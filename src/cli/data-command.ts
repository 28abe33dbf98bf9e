/** `stillhouse data`: checks the files of a recipe's data set. */

import type { Command } from 'commander';
import { verifyData } from '../data/dataset.js';
import { EXIT } from '../errors/table.js';
import { loadRecipe } from '../recipe/load-recipe.js';
import { action, type CliContext, examples, gather } from './cli-context.js';
import { formatCount } from './format-figure.js';

/** Adds the command to the program. */
export function addDataCommand(program: Command, context: CliContext): void {
  program
    .command('data')
    .description('the data set of a recipe')
    .addHelpText('after', examples('stillhouse data verify recipe.yaml'))
    .command('verify')
    .description('read every file of the data set and check it to the last byte')
    .argument('<recipe>', 'a recipe file')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .addHelpText('after', examples('stillhouse data verify recipe.yaml', 'stillhouse data verify recipe.yaml --set data.path=/data/mnist'))
    .action(
      action<{ readonly set?: readonly string[] }>(context, async ({ args: [file = ''], options, output }) => {
        const recipe = await loadRecipe(file, { set: options.set ?? [] });
        for (const found of await verifyData(recipe.data)) {
          if (output.json) output.result(JSON.stringify(found));
          else output.result(`${found.file}: ${formatCount(found.samples)} samples, whole`);
        }
        return EXIT.done;
      }),
    );
}
