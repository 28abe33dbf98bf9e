/** `stillhouse export`: writes the model of a stage, from the checkpoints of a run, in the format of TensorFlow.js. */

import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { present } from '../base/assert.js';
import { type CheckpointContent, readNewestCheckpoint } from '../checkpoint/read-checkpoint.js';
import { spellPeer } from '../config/peer.js';
import type { Recipe } from '../config/schema.js';
import { inspectData } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { chooseModel } from '../recipe/choose-model.js';
import { loadRecipe } from '../recipe/load-recipe.js';
import { action, type CliContext, examples } from './cli-context.js';
import { requireRunFolder } from './require-run-folder.js';

interface ExportOptions {
  readonly stage?: string;
  readonly out: string;
}

/** Adds the command to the program. */
export function addExportCommand(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('write the model of a stage as model.json and weights.bin, for tf.loadLayersModel')
    .argument('<run>', 'the folder of a run')
    .requiredOption('--out <folder>', 'the folder to write to; made when it is missing (required)')
    .option('--stage <stage>', 'the stage whose model it is, or stage.peer where it trains several (default: the last stage that trains)')
    .addHelpText('after', examples('stillhouse export runs/demo-20260101-120000 --stage student --out student-model'))
    .action(
      action<ExportOptions>(context, async ({ args: [run = ''], options, output }) => {
        const files = requireRunFolder(run);
        const recipe = await loadRecipe(files.config);
        const { name, recipe: trained } = chooseModel(recipe, options.stage);
        const checkpoint = await readNewestCheckpoint(files.checkpoints, name);
        const model = await buildTrained(recipe, trained.model, checkpoint);
        if (existsSync(join(options.out, 'model.json'))) {
          throw new StillhouseError('usage.invalid', 'there is a model in this folder already', {
            file: options.out,
            hint: 'Choose another folder',
          });
        }
        await mkdir(options.out, { recursive: true });
        for (const part of model) await writeFile(join(options.out, part.name), part.bytes);
        const { stage, round } = checkpoint.info.state;
        const paths = model.map((part) => join(options.out, part.name));
        const spelled = spellPeer(name);
        if (output.json)
          output.result(JSON.stringify({ type: 'export', stage: spelled, checkpoint: `${stage}/${round}`, round, files: paths }));
        else output.result(`${spelled} as of round ${round}: ${paths.join(', ')}`);
        return EXIT.done;
      }),
    );
}

async function buildTrained(
  recipe: Recipe,
  name: string,
  { info, tensors }: CheckpointContent,
): Promise<readonly { readonly name: string; readonly bytes: Uint8Array }[]> {
  const { openEngine } = await import('../engines/catalogue.js');
  const { buildModel } = await import('../nn/build.js');
  const { arenaSchemaOf, writeArena } = await import('../nn/weights.js');
  const { serialiseModel } = await import('../nn/export.js');
  const { height, width, channels, classes } = await inspectData(recipe.data);
  const spec = present(recipe.models[name], `model ${name}`);
  await openEngine('cpu');
  const model = await buildModel(spec, { inputShape: [height, width, channels], classes, seed: recipe.seed });
  const schema = arenaSchemaOf(model);
  if (schema.model.hash !== info.schema) {
    throw new StillhouseError(
      'model.invalid',
      `the model "${name}" is not the one that was trained: its parameters differ in number or shape`,
    );
  }
  writeArena(model, schema, present(tensors.get('parameters'), 'the parameters'));
  const parts = await serialiseModel(model);
  model.dispose();
  return parts;
}
