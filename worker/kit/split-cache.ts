/** The splits of the run's data. Each is read once, when it is first needed, and shared by all stages. */

import type { DataRecipe } from '../../src/config/schema.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';

export class SplitCache {
  readonly #recipe: DataRecipe;
  readonly #fingerprints: Readonly<Record<string, string>>;
  readonly #splits = new Map<string, Promise<SampleSource>>();

  /** `fingerprints`: those of the coordinator's splits. */
  constructor(recipe: DataRecipe, fingerprints: Readonly<Record<string, string>> = {}) {
    this.#recipe = recipe;
    this.#fingerprints = fingerprints;
  }

  /**
   * The split of this name, with the same samples as the coordinator's. Throws as loadSplit does, and basis.differs; a split that could not
   * be read is read again at the next call.
   */
  get(name: string): Promise<SampleSource> {
    const there = this.#splits.get(name);
    if (there !== undefined) return there;
    const loading = this.#load(name);
    this.#splits.set(name, loading);
    loading.catch(() => this.#splits.delete(name));
    return loading;
  }

  async #load(name: string): Promise<SampleSource> {
    const split = await loadSplit(this.#recipe, name);
    const wanted = this.#fingerprints[name];
    const own = wanted === undefined ? wanted : await split.fingerprint();
    if (own === wanted) return split;
    throw new StillhouseError(
      'basis.differs',
      `the split ${name} has other images or labels here (${own}) than at the coordinator (${wanted})`,
      {
        file: this.#recipe.path,
        hint: 'Copy the same files to this machine; `stillhouse data verify` shows what they hold',
      },
    );
  }
}
