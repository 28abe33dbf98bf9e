/**
 * Writes finished models into the run's folder, from their checkpoints alone: no worker, no data and no module is needed. Each
 * export runs beside the core's loop, and tells its end as an event.
 */

import { present } from '../../src/base/assert.js';
import { writeFolder } from '../../src/checkpoint/atomic-folder.js';
import { type FileSystem, nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { exportModel } from '../../src/checkpoint/model-export.js';
import type { CheckpointStore } from '../../src/checkpoint/store.js';
import { exportName, originOf, spellPeer } from '../../src/config/peer.js';
import type { Recipe } from '../../src/config/schema.js';
import { classNamesOf } from '../../src/data/class-names.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import type { TrainingSplit } from '../../src/protocol/training-split.js';
import type { CoreEvent, Effect } from '../core/types.js';
import type { HeldTerm } from './term.js';

export type ExportEffect = Extract<Effect, { type: 'export' }>;

export interface ExporterOptions {
  readonly term: HeldTerm;
  readonly store: Pick<CheckpointStore, 'getModel'>;
  readonly folder: string;
  /** The name of the run. */
  readonly run: string;
  readonly recipe: Recipe;
  /** The images that the model of a stage has learned from. */
  trainedOn(stage: string): readonly TrainingSplit[];
  readonly logger: Logger;
  readonly onEnd: (event: Extract<CoreEvent, { type: 'exported' | 'export-failed' }>) => void;
  readonly fs?: FileSystem;
}

export class Exporter {
  readonly #options: ExporterOptions;
  #last: Promise<void> = Promise.resolve();

  constructor(options: ExporterOptions) {
    this.#options = options;
  }

  /** Begins an export, once those before it have ended. */
  begin(effect: ExportEffect): void {
    this.#last = this.#last.then(() => this.#carryOut(effect));
  }

  /** Resolves when nothing is being written. */
  idle(): Promise<void> {
    return this.#last;
  }

  async #carryOut(effect: ExportEffect): Promise<void> {
    const { logger, onEnd } = this.#options;
    const { stage, round, state } = effect;
    const name = spellPeer(state);
    try {
      await this.#write(effect);
      logger.info('model.exported', { stage, of: name, round: state.round });
      onEnd({ type: 'exported', stage, round });
    } catch (error) {
      logger.error('export.failed', { stage, of: name, round: state.round, error });
      const isKnown = error instanceof StillhouseError;
      const what = `the export of ${name} was not written: ${messageOf(error)}`;
      onEnd({ type: 'export-failed', stage, round, code: isKnown ? error.code : 'run.unwritable', message: what });
    }
  }

  async #write({ stage, state, hash, epoch, accuracy }: ExportEffect): Promise<void> {
    const { term, store, folder, run, recipe, fs = nodeFileSystem } = this.#options;
    const { info, tensors, topology } = await store.getModel(state);
    const name = spellPeer(state);
    if (info.hash !== hash)
      throw new StillhouseError('checkpoint.damaged', `the checkpoint of ${name} has other parameters than were committed`);
    const { mean, std } = recipe.data.normalise;
    const classNames = await classNamesOf(recipe.data);
    const parameters = present(tensors.get('parameters'), 'the parameters');
    const trainedOn = this.#options.trainedOn(state.stage);
    const known = { ...originOf(recipe, state), trainedOn, ...(classNames === null ? {} : { classNames }) };
    const facts = { run, ...state, epoch, accuracy, mean, std, ...known };
    const files = exportModel({ topology, parameters, file: folder }, facts);
    term.requireNewest();
    await fs.addFolder(folder);
    await writeFolder({ fs, parent: folder, name: exportName(recipe, stage) }, async (add) => {
      for (const file of files) await add(file.name, file.bytes);
    });
  }
}
