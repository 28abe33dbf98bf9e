/** Whether the journal of a run that is to go on is whole: it must know of the checkpoints that there are, because the run would train over them. */

import { readJournalFile } from '../../src/checkpoint/journal-file.js';
import { roundLeft } from '../../src/checkpoint/round-left.js';
import { spellRounds, storedRounds, unknownRounds } from '../../src/checkpoint/unknown-round.js';
import { spellWayOn } from '../../src/checkpoint/way-on.js';
import type { Recipe } from '../../src/config/schema.js';
import { isTrainingStage } from '../../src/config/stage-kinds.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { RunFolder } from './run-folder.js';

/** A power cut can take the lines of the newest checkpoint, whose record was not synced yet, and of no other. */
const LOST_MAX = 1;

/**
 * Throws `run.invalid` where a stage has checkpoints and the run no journal, or one that was cut before them. Answers in words what a power
 * cut has taken, if anything: the run does that again.
 */
export async function requireWholeJournal({ checkpoints, journal }: RunFolder, { stages }: Recipe): Promise<readonly string[]> {
  // Models from outside are stored before the journal begins.
  const trained = Object.entries(stages).flatMap(([name, stage]) => (isTrainingStage(stage) ? [name] : []));
  const stored = new Map<string, readonly number[]>();
  for (const name of trained) stored.set(name, await storedRounds(checkpoints, name));
  const found = await readJournalFile(journal);
  const unknown = [...stored].flatMap(([name, rounds]) => {
    const own = unknownRounds(found, name, rounds);
    return own.length === 0 ? [] : [{ stage: name, rounds: own, text: spellRounds(name, own) }];
  });
  if (unknown.length === 0) return [];
  if (!found.isThere) {
    throw new StillhouseError(
      'run.invalid',
      `the journal of this run is gone, and there are checkpoints of ${unknown.map(({ stage }) => stage).join(', ')}`,
      {
        file: journal,
        hint: 'Put the file back. Without it the run would begin anew; its checkpoints can be exported, and given to a new run as { file: model.json }',
      },
    );
  }
  const texts = unknown.map(({ text }) => text).join(' and ');
  const count = unknown.reduce((sum, { rounds }) => sum + rounds.length, 0);
  const left = await Promise.all(unknown.map(({ stage }) => roundLeft(checkpoints, stage, found.lines)));
  // Without an older one, the stage would begin anew, and the run would delete the only one.
  if (count <= LOST_MAX && left.every((round) => round !== null)) {
    return [`the journal ends before the checkpoint of ${texts}: the run goes on from round ${left.join()}, and does the rest again`];
  }
  throw new StillhouseError(
    'run.invalid',
    `the last lines of the journal are missing: there are checkpoints of ${texts}, and it ends before them`,
    {
      file: journal,
      hint: `Put the whole file back. Without it, ${await spellWayOn({ checkpoints, lines: found.lines }, unknown)}`,
    },
  );
}
