/** Settings of a recipe that have no effect, or only a part of theirs, because their stage is over before. Pure. */

import { trainedPeers } from './peer.js';
import { formatPath, type Path, type Problem } from './problem.js';
import type { PeerRecipe, Recipe } from './schema.js';
import { isTrainingStage } from './stage-kinds.js';

/** A warning for each such setting. A recipe with warnings can be run. */
export function findIdleSettings(recipe: Recipe): readonly Problem[] {
  const stages = Object.entries(recipe.stages).flatMap(([name, stage]) => {
    if (!isTrainingStage(stage) || stage.evaluateEvery <= stage.epochs) return [];
    return [warning(['stages', name, 'evaluateEvery'], `is more than ${ofEpochs(stage)}: it is tested after the last one only`)];
  });
  const peers = trainedPeers(recipe).flatMap(({ recipe: peer, place }) => [
    ...idleMilestones(peer, [...place('schedule'), 'epochs']),
    ...cutSchedules(peer.loss, peer.epochs, place('loss')),
    ...cutSchedules(peer.fromTeacher, peer.epochs, place('fromTeacher')),
  ]);
  // Peers share the keys of their stage.
  const all = new Map([...stages, ...peers].map((problem) => [problem.text, problem]));
  return [...all.values()];
}

function idleMilestones({ schedule, epochs }: PeerRecipe, path: Path): readonly Problem[] {
  if (schedule.name !== 'step') return [];
  const late = schedule.epochs.filter((milestone) => milestone >= epochs);
  if (late.length === 0) return [];
  return [warning(path, `has ${late.join(' and ')}, and the stage ends after ${epochs} epochs: the rate does not change there`)];
}

/** The numbers in a part of a recipe that change over more epochs than the stage has. */
function cutSchedules(part: unknown, epochs: number, path: Path): readonly Problem[] {
  if (typeof part !== 'object' || part === null) return [];
  if ('schedule' in part && 'epochs' in part && typeof part.epochs === 'number') {
    if (part.epochs <= epochs) return [];
    return [warning([...path, 'epochs'], `is more than ${ofEpochs({ epochs })}: the number does not come to its last value`)];
  }
  return Object.entries(part).flatMap(([key, value]) => cutSchedules(value, epochs, [...path, Array.isArray(part) ? Number(key) : key]));
}

function ofEpochs({ epochs }: { readonly epochs: number }): string {
  return `the ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'} of the stage`;
}

function warning(path: Path, what: string): Problem {
  return { path, at: 'value', text: `${formatPath(path)} ${what}` };
}
