/** The files that commands read in the folder of a run. The coordinator makes and writes them. */

import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { requireRunFormat } from '../checkpoint/run-format.js';
import { CONFIG_FILE } from '../config/load.js';
import { StillhouseError } from '../errors/stillhouse-error.js';

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

/** The files of the run in this folder. Throws run.invalid when the folder is not a run, or a run of another format. */
export function requireRunFolder(folder: string): RunFiles {
  const path = resolve(folder);
  const config = join(path, CONFIG_FILE);
  if (!existsSync(config)) {
    throw new StillhouseError('run.invalid', 'this folder is not a run', { file: path, hint: 'Give a folder that "stillhouse run" made' });
  }
  requireRunFormat(path);
  return { config, name: basename(path), journal: join(path, 'journal'), checkpoints: join(path, 'checkpoints') };
}
