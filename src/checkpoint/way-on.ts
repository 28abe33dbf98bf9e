/** How a run can go on without lines of its journal that are missing or damaged, in words: for the hints of errors. Reading only. */

import { dirname } from 'node:path';
import { MODEL_PEER } from '../config/peer.js';
import { GIVEN_ROUND } from '../protocol/state-name.js';
import { nodeFileSystem } from './file-system.js';
import { listEntries, placeOf } from './place.js';
import { infoOf, type JournalLines, roundLeft } from './round-left.js';
import { storedRounds, unknownRounds } from './unknown-round.js';

/** Rounds of a stage that have checkpoints, and of which the lines know nothing. */
export interface UnknownOfStage {
  readonly stage: string;
  readonly rounds: readonly number[];
}

/** The records of a journal that are left, and the folder of the run's checkpoints. */
interface Left {
  readonly checkpoints: string;
  readonly lines: JournalLines;
}

/** Says what to move away, and where the run goes on then. `unknown`: of each stage that has such rounds, and of one at least. */
export async function spellWayOn({ checkpoints, lines }: Left, unknown: readonly UnknownOfStage[]): Promise<string> {
  const folders = unknown.flatMap(({ stage, rounds }) => rounds.map((round) => `checkpoints/${stage}/${round}`));
  const ends = await Promise.all(unknown.map(async ({ stage }) => ({ stage, round: await roundLeft(checkpoints, stage, lines) })));
  const spelled = ends.map(({ stage, round }) =>
    round === null ? `begins stage ${stage} anew` : `goes on from round ${round} of ${stage}`,
  );
  const lost = ends.flatMap(({ stage, round }) => (round === null ? [stage] : []));
  const exports = lost.map((stage) => `\`stillhouse export ${dirname(checkpoints)} --stage ${stage} --out FOLDER\``);
  const rescue = `. The model can be exported before that (${exports.join(', ')}), and given to a new run as { file: model.json }`;
  return `move these folders away: ${folders.join(', ')}. The run then ${spelled.join(', and ')}${lost.length === 0 ? '' : rescue}`;
}

/** The unknown rounds of all stages, where no recipe says which of them train. */
export async function unknownOfAll({ checkpoints, lines }: Left): Promise<readonly UnknownOfStage[]> {
  const all: UnknownOfStage[] = [];
  for (const stage of await listEntries(nodeFileSystem, checkpoints)) {
    const rounds = unknownRounds({ lines }, stage, await storedRounds(checkpoints, stage));
    if (rounds.length > 0 && !(await isGiven(checkpoints, stage))) all.push({ stage, rounds });
  }
  return all;
}

/** Whether the stage took its model from outside: no line tells of it, and it holds no sample. */
async function isGiven(checkpoints: string, stage: string): Promise<boolean> {
  const info = await infoOf(checkpoints, placeOf({ stage, peer: MODEL_PEER, round: GIVEN_ROUND }));
  return info !== null && info.ranges.length === 0;
}
