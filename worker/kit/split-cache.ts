/** The splits of the run's data. Each is read or fetched once, when it is first needed, and shared by all stages. */

import { stat } from 'node:fs/promises';
import type { DataRecipe } from '../../src/config/schema.js';
import { loadSplit } from '../../src/data/dataset.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { hasCode, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { SplitFetch } from './fetch-split.js';

export class SplitCache {
  readonly #recipe: DataRecipe;
  readonly #fingerprints: Readonly<Record<string, string>>;
  readonly #fetch: Pick<SplitFetch, 'get'> | null;
  readonly #splits = new Map<string, Promise<SampleSource>>();

  /** `fingerprints`: those of the coordinator's splits. `fetch` gets a split from there when this machine has nothing where the data should be. */
  constructor(recipe: DataRecipe, fingerprints: Readonly<Record<string, string>> = {}, fetch: Pick<SplitFetch, 'get'> | null = null) {
    this.#recipe = recipe;
    this.#fingerprints = fingerprints;
    this.#fetch = fetch;
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
    const wanted = this.#fingerprints[name];
    if (this.#fetch !== null && wanted !== undefined && (await isMissing(this.#recipe))) return this.#fetch.get(name, wanted);
    const split = await loadSplit(this.#recipe, name);
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

/** Whether there is nothing at the path of the data. A path where something is that is not the data set is a mistake, which is told. */
async function isMissing({ path }: DataRecipe): Promise<boolean> {
  if (path.startsWith('builtin:')) return false;
  return stat(path).then(
    () => false,
    (error: unknown) => hasCode(error, 'ENOENT'),
  );
}
