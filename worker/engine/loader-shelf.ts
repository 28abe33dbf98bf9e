/**
 * The loader of an engine: one for all that its role loads, opened with the first split, whose images have the shape of
 * all others in the recipe.
 */

import type { Recipe } from '../../src/config/schema.js';
import { BATCHES_AHEAD } from '../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../src/data/loader/loader.js';
import type { Split } from '../../src/data/split.js';

/** A thread assembles a hundred thousand and more small images a second, many times what a model takes: one keeps up. */
const THREADS = 1;
/** Rows of one batch when a model is tested. */
export const TEST_ROWS = 128;
/** Rows of one batch of a teacher, made of several requests. */
export const TEACH_ROWS = 256;

export class LoaderShelf {
  readonly #rows: number;
  readonly #program: URL | undefined;
  #loader: Loader | null = null;

  /** `program`: see LoaderOptions. */
  constructor(recipe: Recipe, role: 'student' | 'teacher', program?: URL) {
    const batches = Object.values(recipe.stages).map((stage) => ('batch' in stage ? stage.batch : 0));
    this.#rows = BATCHES_AHEAD * Math.max(role === 'teacher' ? TEACH_ROWS : TEST_ROWS, ...batches);
    this.#program = program;
  }

  /** The most rows that one request may have. */
  get rowsMax(): number {
    return this.#rows;
  }

  /** The loader, for batches of this split too. */
  for({ height, width, channels }: Split): Loader {
    const shape = { height, width, channels };
    this.#loader ??= openLoader({ shape, rows: this.#rows, threads: THREADS, program: this.#program });
    return this.#loader;
  }

  async close(): Promise<void> {
    await this.#loader?.close();
  }
}
