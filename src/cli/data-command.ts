/** `stillhouse data`: checks the files of a recipe's data set. */

import type { Command } from 'commander';
import { verifyData } from '../data/dataset.js';
import { EXIT } from '../errors/table.js';
import { loadRecipe } from '../recipe/load-recipe.js';
import { action, type CliContext, examples, gather } from './cli-context.js';
import { formatBytes, formatClasses, formatCount } from './format-figure.js';

/** As a recipe may have them. */
const formatStatistic = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(', ');

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
        // It prints what belongs there.
        const recipe = await loadRecipe(file, { set: options.set ?? [], unused: ['data', 'normalise'] });
        const { files, splits, shared, doubtful } = await verifyData(recipe.data);
        for (const { file, samples, leftOut, unpacked } of files) {
          const others = leftOut === undefined ? '' : `; ${formatCount(leftOut)} files left out, which have no name of a JPEG or PNG`;
          const copy = unpacked === undefined ? '' : `; unpacked into ${unpacked.folder}, ${formatBytes(unpacked.bytes)}`;
          output.result(
            output.json
              ? JSON.stringify({ file, samples, leftOut, unpacked })
              : `${file}: ${formatCount(samples)} samples, whole${others}${copy}`,
          );
        }
        for (const file of doubtful) {
          if (output.json) output.result(JSON.stringify({ doubtful: file }));
          else output.alert(`warning: ${file}: its data are broken; it is decoded as other programs do, and some pixels may be wrong`);
        }
        for (const { name, samples, fingerprint, classCounts, mean, std } of splits) {
          if (output.json) output.result(JSON.stringify({ split: name, samples, fingerprint, classCounts, mean, std }));
          else {
            output.result(`split ${name}: ${formatCount(samples)} samples (${formatClasses(classCounts)}), fingerprint ${fingerprint}`);
            output.result(`  normalise: { mean: [${formatStatistic(mean)}], std: [${formatStatistic(std)}] }`);
          }
        }
        const order = splits.map(({ name }) => name);
        // Each pair of splits is shown once, with the images of the later one.
        for (const { splits: pair, count } of shared) {
          if (order.indexOf(pair[0]) > order.indexOf(pair[1])) continue;
          if (output.json) output.result(JSON.stringify({ shared: pair, count }));
          else output.result(`${formatCount(count)} images of ${pair[1]} are in ${pair[0]} too`);
        }
        return EXIT.done;
      }),
    );
}
