/** The errors of a run whose folder, or whose journal, is not in its place any more while the run goes on. Nothing is written after them. */

import { type Stats, statSync } from 'node:fs';
import { hasCode, StillhouseError } from '../../src/errors/stillhouse-error.js';

/**
 * The file in this place: null where there is none, `unknown` where nobody can tell now. A disk that fails for a moment, as one of the network
 * does, is no end of a run: the next write shows whether it lasts.
 */
export function fileAt(file: string): Stats | null | 'unknown' {
  try {
    return statSync(file);
  } catch (error) {
    return hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') ? null : 'unknown';
  }
}

/**
 * For a run whose folder, or whose journal, is not there. A deletion takes the files one by one, so nobody can tell yet which of the two it is.
 */
export function runGone(folder: string): StillhouseError {
  return new StillhouseError(
    'run.gone',
    "the run's folder or its journal was deleted or moved while the run went on, so the run has ended",
    {
      file: folder,
      hint: 'If the folder was moved, resume the run at its new place. If its disk was unmounted, mount it and resume the run. If the journal alone is gone, put it back as it was, then resume the run. If the folder was deleted, begin a new run',
    },
  );
}

/** For a journal in whose place is another file: that may be a whole copy. */
export function journalReplaced(file: string): StillhouseError {
  return new StillhouseError('run.gone', 'the journal was replaced by another file while the run went on, so the run has ended', {
    file,
    hint: 'If the new file is a whole journal, as after an edit that changed nothing, resume the run. Otherwise put the old file back as it was first',
  });
}
