/**
 * `stillhouse export`: writes the model of a stage, from the checkpoints of a run, in the format of TensorFlow.js. It needs the run's
 * folder alone: no data, no module, no engine.
 */

import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { present } from '../base/assert.js';
import { formatShare } from '../base/share.js';
import { describeTested, readChosenCheckpoint } from '../checkpoint/chosen-checkpoint.js';
import { requireExportTarget, writeExport } from '../checkpoint/export-folder.js';
import type { EvaluatedRound } from '../checkpoint/kept-epoch.js';
import { EXPORTED_FILES, exportModel } from '../checkpoint/model-export.js';
import { BASIS_FILE, requireRunFolder } from '../checkpoint/require-run-folder.js';
import { loadRecipe } from '../config/load.js';
import { originOf, type PeerName, spellPeer } from '../config/peer.js';
import { classNamesOf } from '../data/class-names.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { EXIT } from '../errors/table.js';
import { type KeptBasis, readBasis } from '../recipe/basis.js';
import { chooseFinishedModel } from '../recipe/choose-model.js';
import { placesOf, trainingOf } from '../recipe/given-training.js';
import { doubtOf } from '../recipe/run-model.js';
import { action, type CliContext, examples } from './cli-context.js';

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
    .option(
      '--stage <stage>',
      'the stage that trains or loads the model, or stage.peer where it trains several (default: the last stage that trains)',
    )
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
        const model = chooseFinishedModel(recipe, options.stage);
        const { name } = model;
        await requireExportTarget(options.out, EXPORTED_FILES);
        const which = options.round ?? (options.best === true ? 'best' : 'last');
        const { content, tested, doubt, lag } = await readChosenCheckpoint(run, { ...model, which });
        const warnings: string[] = [];
        const warn = (message: string): void => {
          warnings.push(message);
          output.alert(`warning: ${message}`);
        };
        if (doubt !== null) warn(doubtOf(which, doubt));
        if (lag !== null) warn(lag);
        const { round } = content.info.state;
        const origin = originOf(recipe, name);
        const { mean, std } = recipe.data.normalise;
        const basis = knownBasis(run, warn);
        const trainedOn = basis === null ? [] : trainingOf(recipe, { ...basis, run: files.name, stage: name.stage });
        const [path = recipe.data.path] = placesOf(recipe.data.path, resolve(run), basis);
        const classNames = await classNamesOf({ ...recipe.data, path });
        const facts = {
          ...{ run: files.name, ...name, round, ...origin, epoch: tested?.epoch ?? null, accuracy: tested?.accuracy ?? null },
          ...{ mean, std, trainedOn },
          ...(classNames === null ? {} : { classNames }),
        };
        const parameters = present(content.tensors.get('parameters'), 'the parameters');
        const exported = exportModel({ topology: content.topology, parameters, file: files.checkpoints }, facts);
        const paths = await writeExport(options.out, exported);
        if (output.json)
          output.result(JSON.stringify({ type: 'export', ...resultOf({ name, round, tested, origin }), files: paths, warnings }));
        else output.result(`${describe({ name, round, tested, origin }, doubt === null)}: ${paths.join(', ')}`);
        return EXIT.done;
      }),
    );
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('give the number of a round.');
  return Number(text);
}

/** The model that was exported. */
interface Exported {
  readonly name: PeerName;
  readonly round: number;
  readonly tested: EvaluatedRound | null;
  readonly origin: ReturnType<typeof originOf>;
}

/** The run's record of its data; null where there is none. A damaged one is a warning: the model is whole without it. */
function knownBasis(run: string, tell: (line: string) => void): KeptBasis | null {
  try {
    return readBasis(join(run, BASIS_FILE));
  } catch (error) {
    if (!(error instanceof StillhouseError)) throw error;
    tell(`the model does not say on which images it was trained: ${error.message}`);
    return null;
  }
}

function resultOf({ name, round, tested, origin }: Exported): object {
  const epoch = origin.takenFrom === undefined ? (tested?.epoch ?? null) : null;
  return { stage: spellPeer(name), checkpoint: `${name.stage}/${round}`, round, ...origin, epoch, accuracy: tested?.accuracy ?? null };
}

/** `isKnown`: whether the journal tells of every test. */
function describe({ name, round, tested, origin: { takenFrom } }: Exported, isKnown: boolean): string {
  const untested = isKnown ? 'which was not tested' : 'of which no test is known';
  const model = spellPeer(name);
  if (takenFrom !== undefined) {
    return `${model}, taken from ${takenFrom}, ${tested === null ? untested : `${formatShare(tested.accuracy)} right`}`;
  }
  return `${model} as of ${tested === null ? `round ${round}, ${untested}` : describeTested(tested)}`;
}
