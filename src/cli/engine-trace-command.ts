/** `stillhouse engine trace`: writes the graph of a stage's training step to files. */

import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { recipeJson } from '../config/load.js';
import { spellPeer } from '../config/peer.js';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { startChild } from '../process/child.js';
import { describeEngineEnd } from '../process/engine-end.js';
import { checkRecipe } from '../recipe/check-recipe.js';
import { chooseModel } from '../recipe/choose-model.js';
import { discardGivenModels } from '../recipe/given-model.js';
import { engineEnvironment, NATIVE_GREETING } from '../system/engine-environment.js';
import { describeProcessor } from '../system/processor.js';
import type { TraceAnswer, TraceRequest } from '../trace/trace-request.js';
import { action, type CliContext, examples, gather } from './cli-context.js';
import { formatBytes, formatCount } from './format-figure.js';
import { probeEngines } from './probe-engines.js';

interface TraceOptions {
  readonly out: string;
  readonly stage?: string;
  readonly set?: readonly string[];
}

const ABOUT = `
It writes the training step of a stage as the engine tensorflow runs it: saved_model.pb, which TensorFlow opens as a
SavedModel, and listing.txt, which lists the operations. It trains nothing.`;

/** Adds the command to `engine`. */
export function addEngineTraceCommand(engine: Command, context: CliContext): void {
  engine
    .command('trace')
    .description('write the training step of a stage as a TensorFlow graph, with a readable listing')
    .argument('<recipe>', 'a recipe file')
    .requiredOption('--out <folder>', 'the folder to write to: an empty one, or one to be made (required)')
    .option('--stage <stage>', 'the stage, or stage.peer where it trains several models (default: the last stage that trains)')
    .option('--set <key=value>', 'override a value of the recipe; may be given several times', gather)
    .addHelpText('after', ABOUT)
    .addHelpText(
      'after',
      examples(
        'stillhouse engine trace recipe.yaml --out graph',
        'stillhouse engine trace recipe.yaml --stage teacher --out graph --set engine.precision=bf16',
      ),
    )
    .action(
      action<TraceOptions>(context, async ({ args: [file = ''], options, output }) => {
        const { recipe, data, given } = await checkRecipe(file, { set: options.set, isQuick: true });
        // A trace is of one stage, and of no parameters.
        await discardGivenModels(given);
        const { name } = chooseModel(recipe, options.stage);
        const folder = resolve(options.out);
        requireEmpty(folder);
        await requireTensorflow();
        const { height, width, channels, classes, splitSizes } = data;
        const inputShape = [height, width, channels] as const;
        const request = { recipe: recipeJson(recipe), model: name, inputShape, classes, splitSizes, folder } as const;
        const { type: _type, ...written } = await traceInChild(request);
        const { precision } = recipe.engine;
        if (output.json) output.result(JSON.stringify({ type: 'trace', stage: spellPeer(name), precision, ...written }));
        else {
          const { files, nodes, signatures, bytes } = written;
          output.result(
            `${spellPeer(name)} in ${precision}: ${formatCount(nodes)} operations, ${formatBytes(bytes)}; to call: ${signatures.join(', ')}`,
          );
          for (const path of files) output.result(path);
        }
        return EXIT.done;
      }),
    );
}

function requireEmpty(folder: string): void {
  try {
    if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  } catch (error) {
    if (!hasCode(error, 'ENOTDIR')) throw error;
  }
  throw new StillhouseError('usage.invalid', 'this is not an empty folder', { file: folder, hint: 'Choose another one' });
}

async function requireTensorflow(): Promise<void> {
  const [probe] = await probeEngines(['tensorflow']);
  if (probe?.usable === true) return;
  throw new StillhouseError(
    'engine.unusable',
    `a trace needs the engine tensorflow, and it cannot be used here: ${probe?.note ?? 'unknown'}`,
  );
}

/** Writes the trace in a process of its own: see src/trace/main.ts. */
async function traceInChild(request: TraceRequest): Promise<Extract<TraceAnswer, { type: 'written' }>> {
  const child = startChild<TraceAnswer, never>({
    module: 'src/trace/main.js',
    args: [JSON.stringify(request)],
    env: engineEnvironment({ threads: 1, processor: describeProcessor(), inherited: process.env }),
    hideLines: NATIVE_GREETING,
  });
  const answers: TraceAnswer[] = [];
  child.onMessage((answer) => answers.push(answer));
  const end = await child.ended;
  const [answer] = answers;
  if (answer === undefined) throw new StillhouseError('engine.crashed', describeEngineEnd(end, 'tensorflow'));
  if (answer.type === 'written') return answer;
  if (answer.code !== 'trace.refused') throw new StillhouseError(answer.code, answer.message);
  throw new StillhouseError('trace.refused', `stage ${spellPeer(request.model)} cannot be traced: ${answer.message}`, {
    hint: 'A run can still train it, op by op; src/trace/README.md lists the steps that can be traced',
  });
}
