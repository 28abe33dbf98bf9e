/**
 * The version of a run's folder: of its journal, its checkpoints and where they lie. A folder of another version is refused
 * before any other file of it is opened, so that it is neither misread nor damaged.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';

/** Raised by every change after which an older program would misread the folder, or this one an older folder. */
export const RUN_FORMAT = 4;

/** The file that says it. Folders of version 1 have none. */
export const RUN_FORMAT_FILE = 'format';

/** The content of the file. */
export const RUN_FORMAT_TEXT = `${RUN_FORMAT}\n`;

const GO_ON = 'Go on with the version of Stillhouse that began it, or begin a new run. Nothing in the folder was changed';

interface FormatQuestion {
  /** Whether the folder has files that folders of version 1 do not have. */
  readonly isNew: boolean;
  /** The user's next action with a run of another version. */
  readonly hint?: string | undefined;
}

/** Throws `run.invalid`, with both versions, when the run in this folder is of another version than this program's, or nothing says of which it is. */
export function requireRunFormat(folder: string, { isNew, hint = GO_ON }: FormatQuestion): void {
  const file = join(folder, RUN_FORMAT_FILE);
  const found = readFormat(file);
  if (found === String(RUN_FORMAT)) return;
  if (found === null && isNew) {
    throw new StillhouseError('run.invalid', "the file that says the version of this run's folder is gone", {
      file,
      hint: `Put it back. If this version of Stillhouse began the run, its content is the line ${RUN_FORMAT}`,
    });
  }
  throw new StillhouseError('run.invalid', `this run is of format ${found ?? 1}, and this Stillhouse works with format ${RUN_FORMAT}`, {
    file: folder,
    hint,
  });
}

/** Null when there is no such file. */
function readFormat(file: string): string | null {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return /^\d{1,9}$/.test(text) ? text : 'unknown';
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
