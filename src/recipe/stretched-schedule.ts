/** The schedules that run over all epochs of a stage, and so change their course when the stage gets more epochs. Pure. */

import { peersOf, spellPeer } from '../config/peer.js';
import { formatPath, keysOf, type Path, valueAt } from '../config/problem.js';
import type { Recipe } from '../config/schema.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { rateAt } from '../optim/schedule.js';

/** A sentence for each schedule of the stage that has another course now than with its earlier number of epochs. `recipe` has the new one. */
export function stretchedSchedules(recipe: Recipe, name: string, epochsBefore: number): readonly string[] {
  const stage = recipe.stages[name];
  if (stage === undefined || !isTrainingStage(stage)) return [];
  const { epochs } = stage;
  const course = `is over ${epochs} epochs now, and was over ${epochsBefore}`;
  const rates = [...peersOf(stage)].flatMap(([peer, own]) => {
    const at = { samples: epochsBefore, samplesPerEpoch: 1 };
    const [now, before] = [rateAt(own, at), rateAt({ ...own, epochs: epochsBefore }, at)];
    if (now === before) return [];
    const text = `the ${own.schedule.name} of the learning rate ${course}: after epoch ${epochsBefore} the rate is ${spell(now)}, and was ${spell(before)}`;
    return [`${spellPeer({ stage: name, peer })}: ${text}`];
  });
  const variables = variablesIn(stage, ['stages', name]).map((path) => `${formatPath(path)} ${course}`);
  return [...rates, ...variables];
}

const spell = (rate: number): string => String(Number(rate.toPrecision(3)));

/** The places of the numbers of losses that change over the whole stage. */
function variablesIn(value: unknown, path: Path): readonly Path[] {
  const schedule = valueAt(value, ['schedule']);
  const hasOwnCourse = valueAt(value, ['epochs']) !== undefined || schedule === 'constant';
  if (typeof schedule === 'string') return hasOwnCourse ? [] : [path];
  if (Array.isArray(value)) return value.flatMap((entry: unknown, i) => variablesIn(entry, [...path, i]));
  return keysOf(value).flatMap((key) => (key === 'schedule' ? [] : variablesIn(valueAt(value, [key]), [...path, key])));
}
