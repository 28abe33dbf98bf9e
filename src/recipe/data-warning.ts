/** Facts about the data that a person should know before training: classes without images, tests on images that were trained on. Pure. */

import type { Recipe, SplitRecipe, StageRecipe } from '../config/schema.js';
import { modelsBefore } from '../config/stage-graph.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import type { VerifiedData, VerifiedSplit } from '../data/dataset.js';

/** The most classes that are named one by one. */
const NAMED_MAX = 10;

/** A warning for each split that the stages use and that has not all classes. */
export function classWarnings(recipe: Recipe, { splits }: VerifiedData): readonly string[] {
  const used = new Set(
    Object.values(recipe.stages).flatMap((stage) => [...(isTrainingStage(stage) ? [stage.on] : []), ...testedOn(stage)]),
  );
  return splits.filter(({ name }) => used.has(name)).flatMap(missingClasses);
}

function missingClasses({ name, samples, classCounts }: VerifiedSplit): readonly string[] {
  const missing = classCounts.flatMap((count, label) => (count === 0 ? [label] : []));
  if (missing.length === 0) return [];
  if (missing.length === classCounts.length - 1) {
    const only = classCounts.findIndex((count) => count > 0);
    return [
      `data.splits.${name}: ${samples === 1 ? 'the only image is' : `all ${samples} images are`} of class ${only}. Where the files are sorted by class, give another from and to`,
    ];
  }
  const which = missing.length <= NAMED_MAX ? `: ${missing.join(', ')}` : '';
  return [`data.splits.${name}: ${missing.length} of ${classCounts.length} classes have no image${which}`];
}

/** By stage `load`, the samples of the same data set that its model was trained on in another run; without those of which nothing is known. */
export type OutsideTraining = ReadonlyMap<string, SplitRecipe>;

/**
 * A warning for each model whose test has images that it, or a model that it has learned from, was trained on. By the model's name. Models from
 * outside are known by the numbers of their samples.
 */
export function overlapWarnings(recipe: Recipe, { splits, shared }: VerifiedData, outside: OutsideTraining): readonly string[] {
  const sizes = new Map(splits.map(({ name, samples }) => [name, samples]));
  const countShared = (split: string | SplitRecipe, test: string): number => {
    const own = recipe.data.splits[test];
    if (typeof split !== 'string') return own === undefined ? 0 : countCommon(split, { ...own, to: own.from + (sizes.get(test) ?? 0) });
    return (split === test ? sizes.get(test) : shared.find(({ splits: [a, b] }) => a === split && b === test)?.count) ?? 0;
  };
  return Object.entries(recipe.stages).flatMap(([name, stage]) =>
    testedOn(stage).flatMap((test) =>
      [...lineage(recipe, { name, outside })].flatMap(([learner, split]) => {
        const count = countShared(split, test);
        if (count === 0) return [];
        const all = sizes.get(test);
        const which = count === all ? `all ${all} test images (${test})` : `${count} of the ${all} test images (${test})`;
        return [`${name}: ${learner === name ? 'it' : learner} was trained on ${which}, so the accuracy says little of other images`];
      }),
    ),
  );
}

/** The number of samples that both ranges of one data set have. */
function countCommon(a: SplitRecipe, b: SplitRecipe): number {
  const end = ({ to }: SplitRecipe) => to ?? Number.POSITIVE_INFINITY;
  return a.part === b.part ? Math.max(0, Math.min(end(a), end(b)) - Math.max(a.from, b.from)) : 0;
}

type Lineage = Map<string, string | SplitRecipe>;

/** The stages from which a stage's model has learned, itself included, with the samples of each. */
function lineage(
  recipe: Recipe,
  { name, outside }: { readonly name: string; readonly outside: OutsideTraining },
  found: Lineage = new Map(),
): Lineage {
  const stage = recipe.stages[name];
  if (stage === undefined || found.has(name)) return found;
  const trainedOn = isTrainingStage(stage) ? stage.on : outside.get(name);
  if (trainedOn !== undefined) found.set(name, trainedOn);
  for (const before of modelsBefore(stage)) lineage(recipe, { name: before.stage, outside }, found);
  return found;
}

function testedOn(stage: StageRecipe): readonly string[] {
  return 'test' in stage ? [stage.test] : [];
}
