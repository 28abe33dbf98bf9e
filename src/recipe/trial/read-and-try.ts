/** Reads the data of a recipe to the last label, while its models, terms and steps are tried in a process of its own. */

import type { Recipe } from '../../config/schema.js';
import { type DataContent, type DataInfo, inspectData, readContent } from '../../data/dataset.js';
import type { LabelledImages } from '../../data/sample-source.js';
import { askTrial, type TrialFindings, type TrialOptions } from './ask-trial.js';
import { examplePlaces } from './examples.js';

export interface ReadAndTryOptions extends Omit<TrialOptions, 'data' | 'examples' | 'signal'> {
  /** Checks something else of the recipe at the same time. */
  readonly meanwhile?: ((recipe: Recipe) => Promise<void>) | undefined;
}

export interface ReadAndTried {
  readonly data: DataInfo;
  /** The content of its files. */
  readonly content: DataContent;
  readonly findings: TrialFindings;
}

/**
 * Does both; the trial begins once the shape and sizes of the data are known. Throws the errors of inspectData, `meanwhile` and askTrial: the first fault of the data before any
 * of a model.
 */
export async function readAndTry(recipe: Recipe, { meanwhile, ...options }: ReadAndTryOptions): Promise<ReadAndTried> {
  const over = new AbortController();
  const inspecting = inspectData(recipe.data);
  const reading = inspecting.then(() => readExamples(recipe));
  const examples = reading.then(({ splits }) => splits);
  const trial = inspecting.then((data) => askTrial(recipe, { ...options, data, examples, signal: over.signal }));
  const other = meanwhile?.(recipe);
  // From here on: each of them may fail while nobody awaits it yet.
  const all = Promise.allSettled([reading, examples, trial, other]);
  try {
    const data = await inspecting;
    const { content } = await reading;
    await other;
    return { data, content, findings: await trial };
  } catch (error) {
    over.abort();
    throw error;
  } finally {
    await all;
  }
}

async function readExamples(recipe: Recipe) {
  const splits: Record<string, LabelledImages> = {};
  const content = await readContent(recipe.data, {
    onSplit(name, count, pick) {
      splits[name] = pick(examplePlaces(count));
    },
  });
  return { content, splits };
}
