/**
 * Ours in a loader row: `loader-side.js FOLDER`, FOLDER as written by ../loader-case.ts. Batches as a student gets them:
 * in the order of the stage, epoch after epoch, from as many loader threads as the bench's threads.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { present } from '../../../src/base/assert.js';
import type { BatchArrays } from '../../../src/data/batch.js';
import { BATCHES_AHEAD, BatchStream } from '../../../src/data/loader/batch-stream.js';
import { type Loader, openLoader } from '../../../src/data/loader/loader.js';
import type { SampleSource } from '../../../src/data/sample-source.js';
import { planBatches } from '../../../worker/student/batch-plan.js';
import { type LoaderCase, readLoaderCase } from '../loader-case.js';
import type { GateAnswer } from '../row.js';
import { type StepwiseProgram, serveSide } from '../side-program.js';

class Loading implements StepwiseProgram {
  readonly name: string;
  readonly #folder: string;
  readonly #description: LoaderCase;
  readonly #split: SampleSource;
  readonly #loader: Loader;
  #epoch = 0;
  /** Of the epoch under way. */
  #stream: BatchStream | null = null;
  #left = 0;

  constructor(folder: string) {
    const { description, split } = readLoaderCase(folder);
    const { batch, threads } = description;
    this.name = `Stillhouse, ${threads} loader thread${threads === 1 ? '' : 's'}`;
    this.#folder = folder;
    this.#description = description;
    this.#split = split;
    this.#loader = openLoader({ shape: split, rows: BATCHES_AHEAD * batch, threads });
  }

  async gate(): Promise<GateAnswer> {
    const { placements, gateBatches } = this.#description;
    // It has all of the ring.
    this.#stream?.close();
    this.#left = 0;
    const samples = Int32Array.from(placements.keys());
    const stream = new BatchStream(this.#loader, [{ split: this.#split, view: this.#viewOf(0), samples }]);
    const { images } = await stream.next();
    const file = join(this.#folder, 'gate-ours.f32');
    writeFileSync(file, new Uint8Array(images.buffer, images.byteOffset, images.byteLength));
    stream.close();
    const sums = { black: 0, square: 0, count: 0 };
    for (let i = 0; i < gateBatches; i++) this.#count((await this.#next()).images, sums);
    return { numbers: [sums.black / sums.count, Math.sqrt(sums.square / sums.count)], arrays: { images: file } };
  }

  async step(): Promise<void> {
    await this.#next();
  }

  async #next(): Promise<BatchArrays> {
    if (this.#left === 0) this.#openEpoch();
    this.#left -= 1;
    return present(this.#stream, 'the epoch').next();
  }

  /** The epochs' last batches, which are smaller, are left out, as the anchor does. */
  #openEpoch(): void {
    this.#stream?.close();
    const { batch, seed } = this.#description;
    const { count } = this.#split;
    const start = this.#epoch * count;
    const views = planBatches({ ranges: [{ start, end: start + count - (count % batch) }], size: count, batch, seed });
    const view = this.#viewOf(this.#epoch);
    this.#epoch += 1;
    this.#left = views.length;
    const requests = views.map(({ samples }) => ({ split: this.#split, view, samples }));
    this.#stream = new BatchStream(this.#loader, requests);
  }

  #viewOf(epoch: number) {
    const { seed, augment, normalise } = this.#description;
    return { seed, epoch, augment, normalise };
  }

  #count(images: Float32Array, sums: { black: number; square: number; count: number }): void {
    const { mean, std } = this.#description.normalise;
    const black = Float32Array.from(mean, (value, channel) => -value / (std[channel] ?? Number.NaN));
    for (let i = 0; i < images.length; i++) {
      const value = images[i] ?? Number.NaN;
      if (value === black[i % black.length]) sums.black += 1;
      sums.square += value * value;
    }
    sums.count += images.length;
  }
}

await serveSide(async () => new Loading(process.argv[2] ?? ''));
