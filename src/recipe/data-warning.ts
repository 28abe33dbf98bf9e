/** Facts about the data that a person should know before training: classes without images, tests on images that were trained on. Pure. */

import type { Recipe, StageRecipe } from '../config/schema.js';
import { lineageOf } from '../config/stage-graph.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import type { DataContent, SplitContent } from '../data/dataset.js';
import type { GivenSplit, GivenTraining } from '../protocol/training-split.js';

/** The most classes that are named one by one. */
const NAMED_MAX = 10;

/** Whether a split has not all classes. */
export function lacksClasses({ splits }: DataContent): boolean {
  return splits.some(({ classCounts }) => classCounts.includes(0));
}

/** A warning for each split that the stages use and that has not all classes, with their names, where they have some. */
export function classWarnings(recipe: Recipe, { splits }: DataContent, names: readonly string[] | null): readonly string[] {
  const used = new Set(
    Object.values(recipe.stages).flatMap((stage) => [...(isTrainingStage(stage) ? [stage.on] : []), ...testedOn(stage)]),
  );
  return splits.filter(({ name }) => used.has(name)).flatMap((split) => missingClasses(split, names));
}

function missingClasses({ name, samples, classCounts }: SplitContent, names: readonly string[] | null): readonly string[] {
  const classOf = (label: number) => (names?.[label] === undefined ? String(label) : `${label} (${names[label]})`);
  const missing = classCounts.flatMap((count, label) => (count === 0 ? [label] : []));
  if (missing.length === 0) return [];
  if (missing.length === classCounts.length - 1) {
    const only = classCounts.findIndex((count) => count > 0);
    return [
      `data.splits.${name}: ${samples === 1 ? 'the only image is' : `all ${samples} images are`} of class ${classOf(only)}. Where the files are sorted by class, give another from and to`,
    ];
  }
  const which = missing.length <= NAMED_MAX ? `: ${missing.map(classOf).join(', ')}` : '';
  return [`data.splits.${name}: ${missing.length} of ${classCounts.length} classes have no image${which}`];
}

/**
 * A warning for each model whose test has images that it, or a model that it has learned from, was trained on. By the model's name. `outside`:
 * what is known of the models from outside.
 */
export function overlapWarnings(recipe: Recipe, { splits, shared }: DataContent, outside: GivenTraining): readonly string[] {
  const sizes = new Map(splits.map(({ name, samples }) => [name, samples]));
  const countShared = (split: string, test: string): number =>
    (split === test ? sizes.get(test) : shared.find(({ splits: [a, b] }) => a === split && b === test)?.count) ?? 0;
  const learnersOf = (name: string, test: string): readonly Learner[] =>
    lineageOf(recipe, name).flatMap((before) => {
      const stage = recipe.stages[before];
      const learner = before === name ? 'it' : before;
      if (stage !== undefined && isTrainingStage(stage)) return [{ learner, count: countShared(stage.on, test) }];
      const ofRun = (split: GivenSplit, i: number) => (i === 0 ? learner : `${split.stage} of the run ${split.run}`);
      return (outside[before] ?? []).map((split, i) => ({ learner: ofRun(split, i), count: split.common[test] ?? 0 }));
    });
  return Object.entries(recipe.stages).flatMap(([name, stage]) =>
    testedOn(stage).flatMap((test) =>
      learnersOf(name, test).flatMap(({ learner, count }) => {
        if (count === 0) return [];
        const all = sizes.get(test);
        const which = count === all ? `all ${all} test images (${test})` : `${count} of the ${all} test images (${test})`;
        return [`${name}: ${learner} was trained on ${which}, so the accuracy says little of other images`];
      }),
    ),
  );
}

/** A model of a chain, and the number of test images that it was trained on. */
interface Learner {
  readonly learner: string;
  readonly count: number;
}

/** The splits that a stage tests on. */
export function testedOn(stage: StageRecipe): readonly string[] {
  return 'test' in stage ? [stage.test] : [];
}
