/** The folder of a run: the path of each of its files, how a new folder is made, and how an older one is opened again. */

import { mkdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LIMITS } from '../../src/base/limits.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { BASIS_FILE, CHECKPOINT_FOLDER, JOURNAL_FILE, requireRunFolder } from '../../src/checkpoint/require-run-folder.js';
import { RUN_FORMAT_FILE, RUN_FORMAT_TEXT } from '../../src/checkpoint/run-format.js';
import { explainRecipe } from '../../src/config/explain.js';
import { CONFIG_FILE } from '../../src/config/load.js';
import type { Recipe } from '../../src/config/schema.js';
import { hasCode, messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import { makeFolder } from '../../src/process/make-folder.js';
import { loadRun } from '../../src/recipe/load-run.js';
import { writeFileAtomic } from './atomic-file.js';

export interface RunFolder {
  /** The folder's name, which is the run's name. */
  readonly name: string;
  readonly path: string;
  /** The version of the folder's files. */
  readonly format: string;
  /** The recipe with its defaults, which resuming and exporting use. */
  readonly config: string;
  /** The recipe, the content of the data and the modules with which the run began (run-basis.ts). */
  readonly basis: string;
  readonly terms: string;
  readonly journal: string;
  readonly log: string;
  /** The file of reports, one JSON line each. */
  readonly metrics: string;
  readonly checkpoints: string;
  /** A folder for each export: config/peer.ts names it. */
  readonly exports: string;
  readonly summary: string;
}

/** The paths of the files of the run in this folder. */
export function runFolderAt(path: string): RunFolder {
  const at = (name: string): string => join(resolve(path), name);
  return {
    name: basename(resolve(path)),
    path: resolve(path),
    format: at(RUN_FORMAT_FILE),
    config: at(CONFIG_FILE),
    basis: at(BASIS_FILE),
    terms: at('terms'),
    journal: at(JOURNAL_FILE),
    log: at('log.jsonl'),
    metrics: at('metrics.jsonl'),
    checkpoints: at(CHECKPOINT_FOLDER),
    exports: at('export'),
    summary: at('summary.json'),
  };
}

/**
 * Makes `runsFolder`/<recipe's name>-<time>, with the recipe in it. Runs that start in the same second get different
 * folders. Throws `run.unwritable`.
 */
export async function createRunFolder(options: { runsFolder: string; recipe: Recipe; wallMs: number }): Promise<RunFolder> {
  const { runsFolder, recipe, wallMs } = options;
  const folder = runFolderAt(await makeUnique(resolve(runsFolder), recipe.name, timeName(wallMs)));
  await mkdir(folder.exports);
  await writeFileAtomic(folder.format, RUN_FORMAT_TEXT);
  // Written last: a folder with this file in it is a run.
  await writeConfig(folder, recipe);
  await nodeFileSystem.syncFolder(resolve(runsFolder));
  return folder;
}

/** Writes the recipe with all its defaults. Throws `run.unwritable`. */
export async function writeConfig(folder: RunFolder, recipe: Recipe): Promise<void> {
  await writeFileAtomic(folder.config, explainRecipe(recipe));
}

/** The folder of an older run and its recipe, with these overrides. Throws `run.invalid` when it is not a run, or has another format, and the errors of loadRun. */
export async function openRunFolder(path: string, set: readonly string[] = []): Promise<{ folder: RunFolder; recipe: Recipe }> {
  const folder = runFolderAt(path);
  requireRunFolder(path);
  const recipe = await loadRun(folder.path, set);
  return { folder, recipe };
}

async function makeUnique(runsFolder: string, recipeName: string, time: string): Promise<string> {
  const longestEnding = `-${time}-999`.length;
  const stem = `${recipeName.slice(0, LIMITS.nameLength - longestEnding)}-${time}`;
  try {
    await makeFolder(runsFolder);
    for (let n = 1; ; n++) {
      const path = join(runsFolder, n === 1 ? stem : `${stem}-${n}`);
      try {
        await mkdir(path);
        return path;
      } catch (error) {
        if (!hasCode(error, 'EEXIST')) throw error;
      }
    }
  } catch (error) {
    const isFile = hasCode(error, 'EEXIST') || hasCode(error, 'ENOTDIR');
    throw new StillhouseError('run.unwritable', `cannot make a run folder: ${isFile ? 'there is a file in its place' : messageOf(error)}`, {
      ...{ file: runsFolder, cause: error },
      hint: `Give --out ${isFile ? 'a folder' : 'another folder'}`,
    });
  }
}

/** Local time as YYYYMMDD-HHMMSS. */
function timeName(wallMs: number): string {
  const time = new Date(wallMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${day}-${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}
