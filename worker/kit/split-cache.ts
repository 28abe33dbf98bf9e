/** The splits of the run's data. Each is read once, when it is first needed, and shared by all stages. */

import type { DataRecipe } from '../../src/config/schema.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';

export class SplitCache {
  readonly #recipe: DataRecipe;
  readonly #splits = new Map<string, Promise<SampleSource>>();

  constructor(recipe: DataRecipe) {
    this.#recipe = recipe;
  }

  /** The split of this name. Throws as loadSplit does; a split that could not be read is read again at the next call. */
  get(name: string): Promise<SampleSource> {
    const there = this.#splits.get(name);
    if (there !== undefined) return there;
    const loading = loadSplit(this.#recipe, name);
    this.#splits.set(name, loading);
    loading.catch(() => this.#splits.delete(name));
    return loading;
  }
}
