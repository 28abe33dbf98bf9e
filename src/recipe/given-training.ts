/**
 * The images that models from outside were trained on, over the chain of models from which they have learned, from one run to another; and
 * how many of the recipe's test images are among them. Images are compared, wherever their files lie now; where a split has the fingerprint of
 * one that is at hand, that one stands for it.
 */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { z } from 'zod';
import { FACTS_KEY } from '../checkpoint/model-export.js';
import { BASIS_FILE } from '../checkpoint/require-run-folder.js';
import type { DataRecipe, OutsideModel, Recipe } from '../config/schema.js';
import { lineageOf } from '../config/stage-graph.js';
import { isTrainingStage } from '../config/stage-kinds.js';
import { type DataContent, identifySplit } from '../data/dataset.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { type GivenSplit, type GivenTraining, type TrainingSplit, trainingSplitSchema } from '../protocol/training-split.js';
import { type KeptBasis, readBasis } from './basis.js';
import { testedOn } from './data-warning.js';
import { readTrainingOf } from './run-model.js';

/** A model of a run. */
interface TrainedModel {
  /** The name of the run. */
  readonly run: string;
  readonly stage: string;
  /** The fingerprint of each split of the run, where they are known. */
  readonly splits: Readonly<Record<string, string>>;
  /** The facts that the run knows of the models that it was given. */
  readonly training: GivenTraining;
}

/** The images that a model of this recipe, and each that it has learned from, was trained on; its own stage comes first. Pure. */
export function trainingOf(recipe: Recipe, { run, stage, splits, training }: TrainedModel): readonly TrainingSplit[] {
  return locatedTrainingOf(recipe, { run, stage, splits, training }).map((split) => trainingSplitSchema.parse(split));
}

type LocatedSplit = Omit<GivenSplit, 'common'>;

function locatedTrainingOf(
  recipe: Recipe,
  { run, stage, splits, training, paths = [] }: TrainedModel & { readonly paths?: string[] },
): readonly LocatedSplit[] {
  const { format, labels } = recipe.data;
  const all = lineageOf(recipe, stage).flatMap((name): readonly LocatedSplit[] => {
    const own = recipe.stages[name];
    if (own?.kind === 'load') return training[name] ?? [];
    const split = own !== undefined && isTrainingStage(own) ? recipe.data.splits[own.on] : undefined;
    if (own === undefined || !isTrainingStage(own) || split === undefined) return [];
    const { part, from, to = null } = split;
    return [{ run, stage: name, fingerprint: splits[own.on] ?? null, format, labels, part, from, to, paths }];
  });
  // Two models of the chain may have learned from the same one.
  return all.filter((split, i) => all.findIndex((other) => other.run === split.run && other.stage === split.stage) === i);
}

/**
 * The training of the models that a recipe takes from outside, with the images that its tests have in common with it. `kept`: what its run has found
 * before, which needs no source any more. Throws `run.invalid` where a source's record of its data is damaged.
 */
export async function trainingOutside(recipe: Recipe, content: DataContent, kept: GivenTraining = {}): Promise<GivenTraining> {
  const tests = [...new Set(Object.values(recipe.stages).flatMap(testedOn))];
  const all: Record<string, readonly GivenSplit[]> = {};
  for (const [name, stage] of Object.entries(recipe.stages)) {
    if (stage.kind !== 'load') continue;
    const found = kept[name] ?? uncounted(await trainingFrom(stage.from));
    const counted: GivenSplit[] = [];
    for (const split of found) {
      const unknown = tests.filter((test) => split.common[test] === undefined);
      counted.push({ ...split, common: { ...split.common, ...(await countCommon(split, { recipe, content, tests: unknown })) } });
    }
    if (counted.length > 0) all[name] = counted;
  }
  return all;
}

function uncounted(splits: readonly LocatedSplit[]): readonly GivenSplit[] {
  return splits.map((split) => ({ ...split, common: {} }));
}

/** The training of the model; empty where nothing is known of it. `passed`: the runs on the way to it. */
async function trainingFrom(from: OutsideModel, passed: readonly string[] = []): Promise<readonly LocatedSplit[]> {
  if ('file' in from) return (await trainingInFile(from.file)).map((split) => ({ ...split, paths: [] }));
  const run = resolve(from.run);
  const other = passed.includes(run) ? null : await readTrainingOf(from);
  if (other === null) return [];
  const { recipe, name } = other;
  const basis = readBasis(join(run, BASIS_FILE));
  const training: Record<string, readonly GivenSplit[]> = { ...basis?.training };
  for (const before of lineageOf(recipe, name)) {
    const stage = recipe.stages[before];
    if (stage?.kind !== 'load' || training[before] !== undefined) continue;
    const place = 'file' in stage.from ? stage.from : { ...stage.from, run: placesOf(stage.from.run, run, basis)[0] ?? stage.from.run };
    training[before] = uncounted(await trainingFrom(place, [...passed, run]));
  }
  const paths = placesOf(recipe.data.path, run, basis);
  return locatedTrainingOf(recipe, { run: basename(run), stage: name, splits: basis?.splits ?? {}, training, paths });
}

/** The places where a file of a run may be (`run`: the absolute path of its folder), those first that exist: its own, and the same from the run's folder as when the run began. */
export function placesOf(path: string, run: string, basis: KeptBasis | null): string[] {
  if (path.startsWith('builtin:')) return [path];
  const places = [...new Set([path, resolve(run, relative(basis?.home ?? run, path))])];
  return [...places.filter((place) => existsSync(place)), ...places.filter((place) => !existsSync(place))];
}

const exportSchema = z.object({
  userDefinedMetadata: z.object({ [FACTS_KEY]: z.object({ trainedOn: z.array(trainingSplitSchema) }) }),
});

/** The facts in an export of ours, by its file or its folder. Any other model says nothing of its training. */
async function trainingInFile(path: string): Promise<readonly TrainingSplit[]> {
  const file = path.endsWith('.json') ? path : join(path, 'model.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  try {
    return exportSchema.safeParse(JSON.parse(text ?? 'null')).data?.userDefinedMetadata[FACTS_KEY].trainedOn ?? [];
  } catch {
    return [];
  }
}

interface Compared {
  readonly recipe: Recipe;
  readonly content: DataContent;
  /** Splits of the recipe. */
  readonly tests: readonly string[];
}

/** By test split, the number of its images that are in the split; empty where the images of the split are nowhere. */
async function countCommon(split: LocatedSplit, { recipe, content, tests }: Compared): Promise<Record<string, number>> {
  if (tests.length === 0) return {};
  const twin = content.splits.find(({ fingerprint }) => fingerprint === split.fingerprint);
  if (twin !== undefined) {
    const countIn = (test: string) => content.shared.find(({ splits: [a, b] }) => a === twin.name && b === test)?.count ?? 0;
    return Object.fromEntries(tests.map((test) => [test, test === twin.name ? twin.samples : countIn(test)]));
  }
  const images = await imagesOf(split, recipe.data);
  if (images === null) return {};
  const counts: Record<string, number> = {};
  for (const test of tests) counts[test] = (await identifySplit(recipe.data, test)).images.filter((image) => images.has(image)).length;
  return counts;
}

/** The digests of the images of the split, from the first place that has them: its own data, or the recipe's, where that has the same files. */
async function imagesOf(split: LocatedSplit, data: DataRecipe): Promise<ReadonlySet<string> | null> {
  const { format, labels, part, from, to, fingerprint } = split;
  // Without a fingerprint nothing says that other files have the same images.
  const paths = fingerprint === null ? split.paths : new Set([...split.paths, data.path]);
  const splits = { wanted: { part, from, ...(to === null ? {} : { to }) } };
  for (const path of paths) {
    try {
      const found = await identifySplit({ ...data, format, labels, path, splits }, 'wanted');
      if (fingerprint === null || found.fingerprint === fingerprint) return new Set(found.images);
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
    }
  }
  return null;
}
