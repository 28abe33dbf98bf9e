/**
 * The loader of an engine, which loads everything for its role. It is opened with the first split; the images of all splits of
 * a recipe have one shape.
 */

import { columnBatchMax } from '../../src/config/batch.js';
import type { Recipe } from '../../src/config/schema.js';
import { BATCHES_AHEAD } from '../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../src/data/loader/loader.js';
import type { SampleSource } from '../../src/data/sample-source.js';

/** The most threads that decode images. One thread is enough for images in memory: it assembles more than 100,000 small ones a second, many times the number that a model takes. */
const DECODING_THREADS_MAX = 4;
/** The number of rows of one batch when a model is tested. */
export const TEST_ROWS = 128;
/** The number of rows of one batch of a teacher, merged from several requests. */
export const TEACH_ROWS = 256;
/**
 * The ring holds four of the largest batch: one in use, the next one, and two that the threads are working on. When batches are small it holds more
 * of them, up to SMALL_RING_BYTES; when they are large it holds as many as LARGE_RING_BYTES have room for, but two at least.
 */
const BATCHES = 4;
const BATCHES_AT_LEAST = 2;
const SMALL_RING_BYTES = 8 * 2 ** 20;
const LARGE_RING_BYTES = 256 * 2 ** 20;

/** The rows of the ring for batches of at most `rowsMax` rows, of images of so many bytes. */
export function ringRows(rowsMax: number, imageBytes: number): number {
  const roomIn = (bytes: number) => Math.floor(bytes / imageBytes);
  const wanted = Math.max(BATCHES * rowsMax, Math.min(BATCHES_AHEAD * rowsMax, roomIn(SMALL_RING_BYTES)));
  return Math.max(BATCHES_AT_LEAST * rowsMax, Math.min(wanted, roomIn(LARGE_RING_BYTES)));
}

export class SharedLoader {
  /** The number of rows of the largest batch and of the largest request. */
  readonly rowsMax: number;
  readonly #program: URL | undefined;
  readonly #threads: number;
  #loader: Loader | null = null;

  /** `threads`: the most threads that the engine computes on. `program`: see LoaderOptions. */
  constructor(recipe: Recipe, { role, threads, program }: { role: 'student' | 'teacher'; threads: number; program: URL | undefined }) {
    const batches = Object.values(recipe.stages).map((stage) => ('batch' in stage ? columnBatchMax(stage.batch) : 0));
    this.rowsMax = Math.max(role === 'teacher' ? TEACH_ROWS : TEST_ROWS, ...batches);
    this.#program = program;
    this.#threads = threads;
  }

  /** The loader, which also serves batches of this split. */
  for({ height, width, channels, store }: SampleSource): Loader {
    const rows = ringRows(this.rowsMax, 4 * height * width * channels);
    const threads = store.kind === 'resident' ? 1 : Math.min(this.#threads, DECODING_THREADS_MAX);
    this.#loader ??= openLoader({ shape: { height, width, channels }, rows, threads, program: this.#program });
    return this.#loader;
  }

  async close(): Promise<void> {
    await this.#loader?.close();
  }
}
