/** Facts about the data that a person should know before training: classes without images, tests on images that were trained on. Pure. */

import { peerNamed } from '../config/peer.js';
import type { Recipe, StageRecipe } from '../config/schema.js';
import { isTaughtStage, isTrainingStage } from '../config/stage-kinds.js';
import type { VerifiedData, VerifiedSplit } from '../data/dataset.js';

/** The most classes that are named one by one. */
const NAMED_MAX = 10;

/** A warning for each split that the stages use and that has not all classes. */
export function classWarnings(recipe: Recipe, { splits }: VerifiedData): readonly string[] {
  const used = new Set(Object.values(recipe.stages).flatMap((stage) => [...trainedOn(stage), ...testedOn(stage)]));
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

/** A warning for each model whose test has images that it, or a model that taught it, was trained on. By the model's name. */
export function overlapWarnings(recipe: Recipe, { splits, shared }: VerifiedData): readonly string[] {
  const sizes = new Map(splits.map(({ name, samples }) => [name, samples]));
  return Object.entries(recipe.stages).flatMap(([name, stage]) =>
    testedOn(stage).flatMap((test) =>
      [...lineage(recipe, name)].flatMap(([learner, split]) => {
        const count = split === test ? sizes.get(test) : shared.find(({ splits: [a, b] }) => a === split && b === test)?.count;
        if (count === undefined) return [];
        const all = sizes.get(test);
        const which = count === all ? `all ${all} test images (${test})` : `${count} of the ${all} test images (${test})`;
        return [`${name}: ${learner === name ? 'it' : learner} was trained on ${which}, so the accuracy says little of other images`];
      }),
    ),
  );
}

/** The stages from which a stage's model has learned, itself included, with the split of each. */
function lineage(recipe: Recipe, name: string, found = new Map<string, string>()): ReadonlyMap<string, string> {
  const stage = recipe.stages[name];
  if (stage === undefined || found.has(name)) return found;
  for (const split of trainedOn(stage)) found.set(name, split);
  const before = [...(isTaughtStage(stage) ? [stage.teacher] : []), ...('of' in stage ? [stage.of] : [])];
  for (const model of before) lineage(recipe, peerNamed(model).stage, found);
  return found;
}

function trainedOn(stage: StageRecipe): readonly string[] {
  return isTrainingStage(stage) ? [stage.on] : [];
}

function testedOn(stage: StageRecipe): readonly string[] {
  return 'test' in stage ? [stage.test] : [];
}
