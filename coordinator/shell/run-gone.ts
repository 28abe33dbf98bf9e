/** The error of a run whose folder, or whose journal, is not in its place any more while the run goes on. Nothing is written after it. */

import { StillhouseError } from '../../src/errors/stillhouse-error.js';

/** For the folder of the run: somebody has deleted or moved it. */
export function runGone(folder: string): StillhouseError {
  return new StillhouseError('run.gone', "the run's folder was deleted or moved while the run went on, so the run has ended", {
    file: folder,
    hint: 'If it was moved, resume it at its new place. If it was deleted, begin a new run: nothing of this one is left',
  });
}

/** For the journal alone: the lines that were written since are lost. */
export function journalGone(file: string): StillhouseError {
  return new StillhouseError('run.gone', 'the journal was deleted, moved or replaced while the run went on, so the run has ended', {
    file,
    hint: 'Put the file back as it was, then resume the run. Without it, the checkpoints can be exported, and given to a new run as { file: model.json }',
  });
}
