/** `stillhouse model`: shows the layers of a model, and which are good to tap. */

import { type Command, InvalidArgumentError } from 'commander';
import type { ModelRecipe } from '../config/schema.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { describeModel, modelOrigin } from '../recipe/description/describe-model.js';
import { action, type CliContext, examples, gather } from './cli-context.js';
import { modelText } from './model-text.js';

interface ModelOptions {
  readonly input?: readonly [number, number, number];
  readonly classes?: number;
  readonly option?: readonly string[];
}

const INPUT = [32, 32, 3] as const;
const CLASSES = 10;

const ABOUT = `
FLOPs are for one image in inference: two for each multiply-add of a convolution or a dense layer, one for each other
operation. Good to tap are, among the layers that every path through the model goes through, the last of each resolution
and the vector that the classifier reads.`;

/** Adds the command to the program. */
export function addModelCommand(program: Command, context: CliContext): void {
  program
    .command('model')
    .description("show a model's layers with shapes, parameters and FLOPs, and which of them to tap")
    .argument('<model>', "a name of the package, a module (.mjs), or a saved model's model.json or folder")
    .option('--input <shape>', `height, width and channels of the images (default: ${INPUT.join('x')})`, shapeOf)
    .option('--classes <number>', `the number of classes (default: ${CLASSES})`, classesOf)
    .option('--option <key=value>', 'an option of the model, as under `options` in a recipe; may be given several times', gather)
    .addHelpText('after', ABOUT)
    .addHelpText(
      'after',
      examples(
        'stillhouse model resnet8x4 --input 32x32x3 --classes 100',
        'stillhouse model cnn --input 28x28x1 --option channels=8,16 --option hidden=32',
        'stillhouse model ./my-model.mjs --json',
      ),
    )
    .action(
      action<ModelOptions>(context, async ({ args: [name = ''], options, output }) => {
        const { input, classes, option = [] } = options;
        const origin = modelOrigin(name, optionsOf(option));
        if (origin.of === 'file' && (input !== undefined || classes !== undefined || option.length > 0)) {
          throw new StillhouseError('usage.invalid', 'a saved model has its own images, classes and options', {
            file: name,
            hint: 'Leave --input, --classes and --option out',
          });
        }
        const described = await describeModel({ origin, inputShape: input ?? INPUT, classes: classes ?? CLASSES });
        if (described.unfit !== null) output.alert(`warning: a run cannot take this model: ${described.unfit}`);
        if (output.json) output.result(JSON.stringify({ type: 'model', model: name, ...described }));
        else output.result(modelText(described));
        return EXIT.done;
      }),
    );
}

function shapeOf(text: string): readonly [number, number, number] {
  const found = /^([1-9]\d{0,4})x([1-9]\d{0,4})x([1-9]\d{0,4})$/.exec(text);
  if (found === null) throw new InvalidArgumentError('give height, width and channels, such as 32x32x3.');
  return [Number(found[1]), Number(found[2]), Number(found[3])];
}

function classesOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('give the number of classes.');
  return Number(text);
}

/** The options by name. A value that is a number, true or false is that; any other is a text. */
function optionsOf(pairs: readonly string[]): ModelRecipe['options'] {
  const entries = pairs.map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new StillhouseError('usage.invalid', `--option ${pair} is not key=value`, { hint: 'Write --option hidden=32' });
    const text = pair.slice(at + 1);
    const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text === 'true' ? true : text === 'false' ? false : text;
    return [pair.slice(0, at), value] as const;
  });
  return Object.fromEntries(entries);
}
