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
    .description(
      'read every file of the data set, check it to the last byte, and show the fingerprint of each split, which is the same wherever its samples are the same',
    )
    .argument('<recipe>', 'a recipe file')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .addHelpText('after', examples('stillhouse data verify recipe.yaml', 'stillhouse data verify recipe.yaml --set data.path=/data/mnist'))
    .action(
      action<{ readonly set?: readonly string[] }>(context, async ({ args: [file = ''], options, output }) => {
        const recipe = await loadRecipe(file, { set: options.set ?? [] });
        const { files, splits } = await verifyData(recipe.data);
        for (const { file, samples } of files) {
          output.result(output.json ? JSON.stringify({ file, samples }) : `${file}: ${formatCount(samples)} samples, whole`);
        }
        for (const { name, samples, fingerprint } of splits) {
          if (output.json) output.result(JSON.stringify({ split: name, samples, fingerprint }));
          else output.result(`split ${name}: ${formatCount(samples)} samples, fingerprint ${fingerprint}`);
        }
        return EXIT.done;
      }),
    );
}
