/**
 * Feeds the run's data to workers that have no files of it: rows of splits, and coded images (src/data/feed). It reads the coordinator's own files.
 *
 * Invariants: what it gives is of the split with the fingerprint that the run began with; it makes one answer at a time, of at most LIMITS.feedBytes or one
 * image, so that a run is not starved of memory; images in memory are given up when nobody has asked for a while; answers pass no faster than the rate,
 * and are so small that each of those who wait has one in time; one whose asker has given it up is not made, so the rate is spent on others.
 */

import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Clock, TimerHandle } from '../../src/base/clock.js';
import { LIMITS } from '../../src/base/limits.js';
import type { DataRecipe } from '../../src/config/schema.js';
import { isPassing } from '../../src/data/coded-source.js';
import { unreadable } from '../../src/data/data-file.js';
import { loadSplitToFeed } from '../../src/data/dataset.js';
import { DIGEST_BYTES } from '../../src/data/digest-bytes.js';
import { type FedSplit, headOf, type ImagePlace, imagePlace, rowBytes, rowsOf } from '../../src/data/feed/split-rows.js';
import type { CodedStore } from '../../src/data/sample-source.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import type { DataRequestOf } from '../../src/protocol/data.js';
import { type DataReply, refusal } from '../../src/rpc/data-server.js';
import type { WireTensor } from '../../src/tensor/tensor.js';

/** Images in memory are given up after this time without a request for them. */
const UNUSED_MS = 60_000;
/** The requests that wait for their turn; another is refused. */
const WAITING_MAX = 64;
/** The time in which all who wait are to have an answer, and the most of it that one may take, at the rate: others come meanwhile. */
const ROUND_MS = LIMITS.feedWaitMs / 2;
const ANSWER_MS = 5_000;
/** The files that are read at a time. */
const AT_A_TIME = 16;

export interface SplitFeedOptions {
  readonly recipe: DataRecipe;
  /** The fingerprints of the splits that the run began with. */
  readonly fingerprints: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The most bytes a second; null for as many as can be read. */
  readonly rate: number | null;
  /** The most bytes of an answer, unless one sample alone has more; LIMITS.feedBytes when left out. */
  readonly answerBytes?: number;
}

interface OpenSplit {
  readonly loading: Promise<FedSplit>;
  unused: TimerHandle | null;
}

export class SplitFeed {
  readonly #options: SplitFeedOptions;
  readonly #splits = new Map<string, OpenSplit>();
  /** Resolves when the answers before have been made. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The times at which those were asked for that have no answer yet, the longest wait first. */
  readonly #asked: number[] = [];
  /** The time at which the rate allows another answer. */
  #nextMs = 0;

  constructor(options: SplitFeedOptions) {
    this.#options = options;
  }

  /** Answers a request for rows. Throws data.missing and data.damaged about the coordinator's files. */
  rows({ split: name, from }: DataRequestOf<'split.get'>): Promise<DataReply> {
    return this.#inTurn(name, async (split, most) => {
      const head = headOf(split);
      if (from > head.count) return refusal('unknown-sample', `the split ${name} has ${head.count} samples, not ${from}`);
      const bytes = rowBytes(head);
      const to = Math.min(head.count, from + Math.max(1, Math.floor(most / bytes)));
      const rows = rowsOf(split, from, to);
      const tensors: WireTensor[] = [{ name: 'rows', dtype: 'uint8', shape: [to - from, bytes], data: rows }];
      return { header: { type: 'split.answer', split: name, from, ...head }, tensors };
    });
  }

  /** Answers a request for coded images. Throws data.missing and data.damaged about the coordinator's files. */
  images({ split: name }: DataRequestOf<'image.get'>, tensors: readonly WireTensor[]): Promise<DataReply> {
    const samples = tensors.length === 1 ? tensors[0]?.data : undefined;
    if (!(samples instanceof Int32Array) || samples.length === 0 || samples.length > LIMITS.rowsPerRequest) {
      return Promise.resolve(
        refusal('invalid-message', `image.get has one tensor, samples, int32 [B], B from 1 to ${LIMITS.rowsPerRequest}`),
      );
    }
    return this.#inTurn(name, async ({ source, digests }, most) => {
      const { store } = source;
      if (store.kind !== 'coded' || digests === null) return refusal('missing', `the images of the split ${name} are in its rows`);
      const strange = samples.find((sample) => !(0 <= sample && sample < store.count));
      if (strange !== undefined) return refusal('unknown-sample', `the split ${name} has no sample ${strange}`);
      const images = await readImages(store, digests, samples.subarray(0, fittingIn(store, samples, most)));
      const sizes = Int32Array.from(images, ({ length }) => length);
      const data = new Uint8Array(Buffer.concat(images));
      return {
        header: { type: 'image.answer', split: name },
        tensors: [
          { name: 'sizes', dtype: 'int32', shape: [sizes.length], data: sizes },
          { name: 'images', dtype: 'uint8', shape: [data.length], data },
        ],
      };
    });
  }

  /** The most bytes of the answer whose turn it is: those behind it in the line wait until the rate allows them theirs. */
  get #answerBytes(): number {
    const { answerBytes = LIMITS.feedBytes, rate, clock } = this.#options;
    if (rate === null) return answerBytes;
    const nowMs = clock.nowMs();
    // The one that is n-th behind waits for n answers, this one among them.
    const times = this.#asked.slice(1).map((askedMs, i) => (askedMs + ROUND_MS - nowMs) / (i + 1));
    return Math.min(answerBytes, (rate / 1000) * Math.max(0, Math.min(ANSWER_MS, ...times)));
  }

  /** Makes an answer when those before it are made, and the rate allows it: `make` is given the most bytes that it may have. */
  async #inTurn(name: string, make: (split: FedSplit, most: number) => Promise<DataReply>): Promise<DataReply> {
    if (this.#asked.length >= WAITING_MAX) return refusal('busy', `${this.#asked.length} requests for data wait for their turn`);
    const askedMs = this.#options.clock.nowMs();
    this.#asked.push(askedMs);
    const made = this.#turn.then(async () => {
      try {
        if (!(await this.#untilRate(askedMs)))
          return refusal('busy', `the rate allows no answer ${LIMITS.feedWaitMs / 1000} s after the request`);
        const split = await this.#open(name);
        if (split === null) return refusal('missing', `the run has no split ${name}`);
        const reply = await make(split, this.#answerBytes);
        this.#charge(reply);
        return reply;
      } catch (error) {
        if (isPassing(error)) return refusal('not-ready', messageOf(error));
        throw error;
      } finally {
        // Turns come in the order of the requests.
        this.#asked.shift();
      }
    });
    this.#turn = made.catch(() => undefined);
    return made;
  }

  /** Waits until the rate allows another answer, and answers true; false, at once, where that is too late for a request of this time. */
  async #untilRate(askedMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const atMs = Math.max(nowMs, this.#nextMs);
    if (atMs - askedMs >= LIMITS.feedWaitMs) return false;
    if (atMs > nowMs) await new Promise<void>((resolve) => void clock.after(atMs - nowMs, resolve, { unref: true }));
    return true;
  }

  #charge({ tensors }: DataReply): void {
    const { rate, clock } = this.#options;
    if (rate === null) return;
    const bytes = tensors.reduce((sum, { data }) => sum + data.byteLength, 0);
    this.#nextMs = Math.max(this.#nextMs, clock.nowMs()) + (1000 * bytes) / rate;
  }

  async #open(name: string): Promise<FedSplit | null> {
    const { recipe, clock } = this.#options;
    if (!Object.hasOwn(recipe.splits, name)) return null;
    let open = this.#splits.get(name);
    if (open === undefined) {
      open = { loading: this.#load(name), unused: null };
      this.#splits.set(name, open);
      open.loading.catch(() => this.#splits.delete(name));
    }
    const split = await open.loading;
    open.unused?.cancel();
    // The index of coded images is small, and reading it anew is not.
    if (split.digests === null) open.unused = clock.after(UNUSED_MS, () => this.#splits.delete(name), { unref: true });
    return split;
  }

  async #load(name: string): Promise<FedSplit> {
    const { recipe, fingerprints, logger } = this.#options;
    const split = await loadSplitToFeed(recipe, name);
    const [own, wanted] = [await split.source.fingerprint(), fingerprints[name]];
    if (own !== wanted) {
      const what = `the split ${name} has other images or labels (${own}) than the run began with (${wanted})`;
      throw new StillhouseError('data.damaged', what, { file: recipe.path, hint: 'Put the files back, and go on with the run' });
    }
    logger.info('feed.opened', { split: name, samples: split.source.count });
    return split;
  }
}

/** How many of the samples fit in an answer. */
function fittingIn(store: CodedStore, samples: Int32Array, most: number): number {
  let bytes = 0;
  const beyond = samples.findIndex((sample, i) => {
    bytes += imagePlace(store, sample).length;
    return i > 0 && bytes > most;
  });
  return beyond < 0 ? samples.length : beyond;
}

/** The bytes of each image, which are those of its digest. */
async function readImages(store: CodedStore, digests: Uint8Array, samples: Int32Array): Promise<Buffer[]> {
  const images: Buffer[] = [];
  for (let from = 0; from < samples.length; from += AT_A_TIME) {
    const some = Array.from(samples.subarray(from, from + AT_A_TIME), (sample) => readImage(store, digests, sample));
    images.push(...(await Promise.all(some)));
  }
  return images;
}

async function readImage(store: CodedStore, digests: Uint8Array, sample: number): Promise<Buffer> {
  const place = imagePlace(store, sample);
  const bytes = await readPlace(place).catch((error: unknown) => {
    throw unreadable(place.file, error);
  });
  const wanted = digests.subarray(sample * DIGEST_BYTES, (sample + 1) * DIGEST_BYTES);
  if (createHash('sha256').update(bytes).digest().equals(wanted)) return bytes;
  const hint = 'Leave the files of a data set as they are while a run reads them';
  throw new StillhouseError('data.damaged', 'has changed since the data set was indexed', { file: place.file, hint });
}

/** Fewer bytes, where the file ends first. */
async function readPlace({ file, start, length }: ImagePlace): Promise<Buffer> {
  const handle = await open(file);
  try {
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await handle.close();
  }
}
