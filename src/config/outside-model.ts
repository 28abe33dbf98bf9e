/**
 * Models from outside the run. Where a stage names one as its `teacher` or `init`, loading the recipe makes a stage of kind `load` for it and
 * puts that stage's name there, so that everywhere else a model is the model of a stage. Pure.
 */

import { pathsOfKey } from './peer.js';
import { type Path, replaceAt, valueAt } from './problem.js';
import type { OutsideModel, Recipe, StageRecipe } from './schema.js';

/** The longest name of a stage. */
const NAME_MAX = 64;

/** The recipe with a stage `load` for each model from outside that another stage names: the same one for the same model and test. They come first. */
export function withLoadStages(recipe: Recipe): Recipe {
  const loads = new Map<string, Extract<StageRecipe, { kind: 'load' }>>();
  const taken = (name: string) => loads.has(name) || Object.hasOwn(recipe.stages, name);
  const nameFor = (from: OutsideModel, { test, wish }: { readonly test: string; readonly wish: string }): string => {
    const wanted = JSON.stringify([from, test]);
    const same = [...loads].find(([, load]) => JSON.stringify([load.from, load.test]) === wanted);
    if (same !== undefined) return same[0];
    const stem = wish.slice(-NAME_MAX).replace(/^[_-]+/, '');
    let name = stem;
    for (let n = 2; taken(name); n++) name = `${stem.slice(0, NAME_MAX - 4)}-${n}`;
    loads.set(name, { kind: 'load', needs: [], from, test });
    return name;
  };
  const stages = Object.entries(recipe.stages).map(([stage, own]): [string, StageRecipe] => {
    if (!('test' in own)) return [stage, own];
    const named = (from: OutsideModel, path: Path) => nameFor(from, { test: own.test, wish: wishFor(stage, path) });
    return [stage, replaceOutside(own, named)];
  });
  return { ...recipe, stages: Object.fromEntries([...loads, ...stages]) };
}

function replaceOutside(stage: StageRecipe, change: (from: OutsideModel, path: Path) => unknown): StageRecipe {
  const places: Path[] = [['teacher'], ...pathsOfKey(stage, 'init')];
  return places.reduce<StageRecipe>((changed, path) => {
    const found: unknown = valueAt(changed, path);
    if (typeof found !== 'object' || found === null) return changed;
    return replaceAt(changed, path, change(found as OutsideModel, path)) as StageRecipe;
  }, stage);
}

/** `student-teacher`, or `together-big-init` for a peer. */
function wishFor(stage: string, path: Path): string {
  return [stage, ...path.filter((step) => step !== 'peers')].join('-').replaceAll('.', '-');
}
