/** The folder of a run: the path of each of its files, how a new folder is made, and how an older one is opened again. */

import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { LIMITS } from '../../src/base/limits.js';
import { nodeFileSystem } from '../../src/checkpoint/file-system.js';
import { RUN_FORMAT_FILE, RUN_FORMAT_TEXT, requireRunFormat } from '../../src/checkpoint/run-format.js';
import { explainRecipe } from '../../src/config/explain.js';
import { CONFIG_FILE } from '../../src/config/load.js';
import type { Recipe } from '../../src/config/schema.js';
import { hasCode, messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import { makeFolder } from '../../src/process/make-folder.js';
import { BASIS_FILE } from '../../src/recipe/basis.js';
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
    journal: at('journal'),
    log: at('log.jsonl'),
    metrics: at('metrics.jsonl'),
    checkpoints: at('checkpoints'),
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
  if (!existsSync(folder.config)) {
    throw new StillhouseError('run.invalid', 'this folder is not a run', { file: folder.config, hint: 'Give a folder that "run" made' });
  }
  requireRunFormat(folder.path);
  const recipe = await loadRun(folder.path, set);
  await requireJournal(folder, recipe);
  return { folder, recipe };
}

/** Throws `run.invalid` where a stage has checkpoints and the run no journal: without it, the run would train all again, over them. */
async function requireJournal({ path, journal }: RunFolder, { stages }: Recipe): Promise<void> {
  if (existsSync(journal)) return;
  const saved = await readdir(join(path, 'checkpoints')).catch(() => []);
  // Models from outside are stored before the journal begins.
  const trained = saved.filter((name) => stages[name] !== undefined && stages[name].kind !== 'load');
  if (trained.length === 0) return;
  throw new StillhouseError('run.invalid', `the journal of this run is gone, and there are checkpoints of ${trained.join(', ')}`, {
    file: journal,
    hint: 'Put the file back. Without it the run would begin anew; its checkpoints can be exported, and given to a new run as { file: model.json }',
  });
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
      ...(isFile ? { hint: 'Give --out a folder' } : {}),
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
