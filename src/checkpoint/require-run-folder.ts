/** Whether a folder is a run that this program can work with, and the files that any process may read in it. The coordinator makes and writes them. */

import { existsSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { CONFIG_FILE } from '../config/load.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { RUN_FORMAT_FILE, requireRunFormat } from './run-format.js';

/** The file of a run's folder that keeps what the run rests on (src/recipe/basis.ts). */
export const BASIS_FILE = 'basis.json';
/** The file of a run's folder that keeps its commits, and the folder of its checkpoints. */
export const JOURNAL_FILE = 'journal';
export const CHECKPOINT_FOLDER = 'checkpoints';

export interface RunFiles {
  /** The path of the recipe with its defaults. */
  readonly config: string;
  /** The name of the run. */
  readonly name: string;
  /** The path of the journal. */
  readonly journal: string;
  /** The path of the folder of checkpoints. */
  readonly checkpoints: string;
}

/**
 * The files of the run in this folder. Throws `run.invalid` when the folder is not a run, has lost its recipe, or is of another format; `formatHint`:
 * what to do then.
 */
export function requireRunFolder(folder: string, formatHint?: string): RunFiles {
  const path = resolve(folder);
  const at = (name: string): string => join(path, name);
  const config = at(CONFIG_FILE);
  if (!existsSync(config)) {
    // The recipe is written before these. Other programs have journals and folders of checkpoints, too.
    const has = (name: string): boolean => existsSync(at(name));
    const isRun = has(BASIS_FILE) || (has(RUN_FORMAT_FILE) && (has(JOURNAL_FILE) || has(CHECKPOINT_FOLDER)));
    if (isRun) throw recipeGone(config, has(BASIS_FILE));
    throw notRun(path);
  }
  requireRunFormat(path, { isNew: existsSync(at(BASIS_FILE)), hint: formatHint });
  return { config, name: basename(path), journal: at(JOURNAL_FILE), checkpoints: at(CHECKPOINT_FOLDER) };
}

function notRun(path: string): StillhouseError {
  const found = statSync(path, { throwIfNoEntry: false });
  const what =
    found === undefined
      ? 'there is no such folder'
      : found.isDirectory()
        ? 'this folder is not a run'
        : 'this is a file, not the folder of a run';
  return new StillhouseError('run.invalid', what, { file: path, hint: 'Give a folder that "stillhouse run" made' });
}

function recipeGone(config: string, hasBasis: boolean): StillhouseError {
  const copy = hasBasis
    ? `. Without a copy, make it from ${BASIS_FILE} beside it: the value of "recipe" there is its content (JSON is YAML)`
    : '';
  return new StillhouseError('run.invalid', 'the recipe of this run is gone', { file: config, hint: `Put the file back${copy}` });
}
