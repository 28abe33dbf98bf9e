/**
 * `stillhouse export`: writes the model of a stage, from the checkpoints of a run, in the format of TensorFlow.js. It needs the run's
 * folder alone: no data, no module, no engine.
 */

import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { present } from '../base/assert.js';
import { requireExportTarget, writeExport } from '../checkpoint/export-folder.js';
import { bestRound, type EvaluatedRound, readEvaluatedRounds } from '../checkpoint/kept-epoch.js';
import { EXPORTED_FILES, exportModel } from '../checkpoint/model-export.js';
import { type CheckpointContent, readCheckpointOf, readNewestCheckpoint } from '../checkpoint/read-checkpoint.js';
import { loadRecipe } from '../config/load.js';
import { type PeerName, spellPeer } from '../config/peer.js';
import { classNamesOf } from '../data/catalogue.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { BASIS_FILE, readBasis } from '../recipe/basis.js';
import { chooseModel } from '../recipe/choose-model.js';
import { trainingOf } from '../recipe/given-training.js';
import { action, type CliContext, examples } from './cli-context.js';
import { formatShare } from './format-figure.js';
import { type RunFiles, requireRunFolder } from './require-run-folder.js';

interface ExportOptions {
  readonly stage?: string;
  readonly out: string;
  readonly best?: true;
  readonly round?: number;
}

/** Adds the command to the program. */
export function addExportCommand(program: Command, context: CliContext): void {
  program
    .command('export')
    .description('write the model of a stage as model.json and weights.bin, for tf.loadLayersModel')
    .argument('<run>', 'the folder of a run')
    .requiredOption('--out <folder>', 'the folder to write to; made when it is missing (required)')
    .option('--stage <stage>', 'the stage whose model it is, or stage.peer where it trains several (default: the last stage that trains)')
    .option('--best', 'the most accurate epoch on the test images (default: the newest checkpoint)')
    .option('--round <number>', 'the checkpoint of this round', wholeNumber)
    .addHelpText('after', examples('stillhouse export runs/demo-20260101-120000 --stage student --best --out student-model'))
    .action(
      action<ExportOptions>(context, async ({ args: [run = ''], options, output }) => {
        if (options.best !== undefined && options.round !== undefined) {
          throw new StillhouseError('usage.invalid', '--best and --round both name a checkpoint: give one of them');
        }
        const files = requireRunFolder(run);
        const recipe = await loadRecipe(files.config);
        const { name } = chooseModel(recipe, options.stage);
        await requireExportTarget(options.out, EXPORTED_FILES);
        const evaluated = await evaluatedRounds(files, name, { isNeeded: options.best === true, tell: output.alert });
        const content = await chosenCheckpoint(files, name, { options, evaluated });
        const { round } = content.info.state;
        const tested = evaluated.find((one) => one.round === round) ?? null;
        const { mean, std } = recipe.data.normalise;
        const basis = readBasis(join(run, BASIS_FILE));
        const of = { run: files.name, stage: name.stage, splits: basis?.splits ?? {}, training: basis?.training ?? {} };
        const trainedOn = trainingOf(recipe, of);
        const classNames = classNamesOf(recipe.data);
        const facts = {
          ...{ run: files.name, ...name, round, epoch: tested?.epoch ?? null, accuracy: tested?.accuracy ?? null, mean, std, trainedOn },
          ...(classNames === null ? {} : { classNames }),
        };
        const parameters = present(content.tensors.get('parameters'), 'the parameters');
        const model = exportModel({ topology: content.topology, parameters, file: files.checkpoints }, facts);
        const paths = await writeExport(options.out, model);
        if (output.json) output.result(JSON.stringify({ type: 'export', ...resultOf(content, name, tested), files: paths }));
        else output.result(`${spellPeer(name)} as of ${describe(round, tested)}: ${paths.join(', ')}`);
        return EXIT.done;
      }),
    );
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('give the number of a round.');
  return Number(text);
}

/** The evaluated rounds of a model. A damaged journal is an error where they decide which model it is, and a warning elsewhere. */
async function evaluatedRounds(
  { journal }: RunFiles,
  name: PeerName,
  { isNeeded, tell }: { readonly isNeeded: boolean; tell(line: string): void },
): Promise<readonly EvaluatedRound[]> {
  try {
    return await readEvaluatedRounds(journal, name);
  } catch (error) {
    if (isNeeded || !(error instanceof StillhouseError)) throw error;
    tell(`warning: epoch and accuracy of the model are not known: ${error.message}`);
    return [];
  }
}

async function chosenCheckpoint(
  { checkpoints }: RunFiles,
  name: PeerName,
  { options, evaluated }: { readonly options: ExportOptions; readonly evaluated: readonly EvaluatedRound[] },
): Promise<CheckpointContent> {
  if (options.round !== undefined) return await readCheckpointOf(checkpoints, { ...name, round: options.round });
  if (options.best !== true) return await readNewestCheckpoint(checkpoints, name);
  const best = bestRound(evaluated);
  const spelled = spellPeer(name);
  if (best === null) {
    throw new StillhouseError('checkpoint.missing', `no checkpoint of ${spelled} has been tested yet, so none is the best`, {
      file: checkpoints,
      hint: 'It is tested after every `evaluateEvery` epochs and at its end. Without --best, its newest checkpoint is exported',
    });
  }
  try {
    return await readCheckpointOf(checkpoints, { ...name, round: best.round });
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    throw new StillhouseError(error.code, `the best of ${spelled} (${describe(best.round, best)}) cannot be read: ${error.message}`, {
      hint: 'Another one can be exported with --round',
      cause: error,
    });
  }
}

function resultOf({ info }: CheckpointContent, name: PeerName, tested: EvaluatedRound | null): object {
  const { stage, round } = info.state;
  const { epoch = null, accuracy = null } = tested ?? {};
  return { stage: spellPeer(name), checkpoint: `${stage}/${round}`, round, epoch, accuracy };
}

function describe(round: number, tested: EvaluatedRound | null): string {
  if (tested === null) return `round ${round}, which was not tested`;
  return `epoch ${tested.epoch}, round ${round}, ${formatShare(tested.accuracy)} right`;
}
