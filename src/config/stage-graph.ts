/**
 * The stages as a graph: a stage comes after those it needs, those it names as its teacher, those with whose parameters it begins, and
 * those whose model it evaluates or exports. Pure.
 */

import { assert, present } from '../base/assert.js';
import { finishedModel, type PeerName, peerNamed, peersOf } from './peer.js';
import type { Recipe, StageRecipe } from './schema.js';
import { isTaughtStage } from './stage-kinds.js';

/** The finished models that a stage learns from, begins with, tests or writes. */
export function modelsBefore(stage: StageRecipe): readonly PeerName[] {
  const taughtBy = isTaughtStage(stage) ? [peerNamed(stage.teacher)] : 'of' in stage ? [finishedModel(stage.of)] : [];
  const begunWith = [...peersOf(stage).values()].flatMap(({ init }) => (init === undefined ? [] : [peerNamed(init)]));
  return [...taughtBy, ...begunWith];
}

/** The stages that must be done before this one, without duplicates. */
export function needsOf(stage: StageRecipe): readonly string[] {
  return [...new Set([...stage.needs, ...modelsBefore(stage).map((model) => model.stage)])];
}

/** The stages from which the model of this one has learned, or whose model it tests or writes, over the whole chain; itself first. */
export function lineageOf({ stages }: Pick<Recipe, 'stages'>, name: string): readonly string[] {
  const found = new Set([name]);
  // A set gives also what is added to it meanwhile.
  for (const own of found) {
    const stage = stages[own];
    for (const before of stage === undefined ? [] : modelsBefore(stage)) found.add(before.stage);
  }
  return [...found];
}

/** All stages in an order in which each comes after the stages that it needs; otherwise in the order of the recipe. */
export function stageOrder(recipe: Pick<Recipe, 'stages'>): readonly string[] {
  const order: string[] = [];
  const waiting = new Set(Object.keys(recipe.stages));
  while (waiting.size > 0) {
    const ready = [...waiting].find((name) => {
      const stage = present(recipe.stages[name], `stage ${name}`);
      return needsOf(stage).every((need) => !waiting.has(need));
    });
    assert(ready !== undefined, `stages that wait for each other: ${[...waiting].join(', ')}`);
    waiting.delete(ready);
    order.push(ready);
  }
  return order;
}

/** The stages of one circle of needs, in order; null when there is none. `needs` maps each stage to the stages that it needs. */
export function findCycle(needs: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const clear = new Set<string>();
  const visit = (name: string, trail: readonly string[]): readonly string[] | null => {
    const start = trail.indexOf(name);
    if (start >= 0) return trail.slice(start);
    if (clear.has(name)) return null;
    for (const need of needs.get(name) ?? []) {
      const cycle = visit(need, [...trail, name]);
      if (cycle !== null) return cycle;
    }
    clear.add(name);
    return null;
  };
  for (const name of needs.keys()) {
    const cycle = visit(name, []);
    if (cycle !== null) return cycle;
  }
  return null;
}
