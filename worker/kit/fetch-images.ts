/**
 * The coded images of a split that lies at the coordinator: those of a batch are fetched before its job is given to a loader thread, and kept as files.
 *
 * Invariants: an image is asked for once, however many batches wait for it; images come in the order in which batches asked for them, a few requests at a time;
 * each is checked by its SHA-256 before it is kept.
 */

import { createHash } from 'node:crypto';
import { LIMITS } from '../../src/base/limits.js';
import { digestOf } from '../../src/data/feed/fetched-image.js';
import type { ImageCache } from '../../src/data/feed/image-cache.js';
import type { FetchedStore } from '../../src/data/sample-source.js';
import { asStillhouseError, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { FeedClient } from './feed-client.js';

/** The requests without an answer: one is written while the next is on its way. */
const REQUESTS = 2;
/** The most images of one request. */
const IMAGES = 512;
/** The files that are looked at or written at a time. */
const AT_A_TIME = 16;

export interface ImageFetchOptions {
  readonly client: FeedClient;
  readonly cache: ImageCache;
  readonly store: FetchedStore;
  /** The bytes of the image of a sample. */
  readonly sizeOf: (sample: number) => number;
}

/** An image that is waited for. */
interface Missing {
  readonly sample: number;
  readonly digest: string;
  readonly size: number;
  readonly coming: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class ImageFetch {
  readonly #options: ImageFetchOptions;
  /** The images that are waited for, by digest. */
  readonly #missing = new Map<string, Missing>();
  /** Those of them that were not asked for yet, in order. */
  #queue: Missing[] = [];
  #requests = 0;

  constructor(options: ImageFetchOptions) {
    this.#options = options;
  }

  /** As SampleSource.prepare. Rejects with what FeedClient.ask throws, and with data.missing when an image cannot be kept. */
  async prepare(samples: Int32Array): Promise<() => void> {
    const { cache, store } = this.#options;
    const wanted = new Map<string, number>();
    for (const sample of samples) wanted.set(digestOf(store, sample), sample);
    for (const digest of wanted.keys()) cache.hold(digest);
    const release = () => {
      for (const digest of wanted.keys()) cache.release(digest);
    };
    try {
      const coming: Promise<void>[] = [];
      const all = [...wanted];
      for (let from = 0; from < all.length; from += AT_A_TIME) {
        const some = all.slice(from, from + AT_A_TIME);
        const known = await Promise.all(some.map(([digest]) => cache.has(digest)));
        coming.push(...some.flatMap(([digest, sample], i) => (known[i] ? [] : [this.#await(digest, sample)])));
      }
      this.#ask();
      await Promise.all(coming);
      return release;
    } catch (error) {
      release();
      throw unkept(error, cache.folder);
    }
  }

  #await(digest: string, sample: number): Promise<void> {
    const known = this.#missing.get(digest);
    if (known !== undefined) return known.coming;
    let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
    const coming = new Promise<void>((done, fail) => {
      [resolve, reject] = [done, fail];
    });
    // A batch that waits for several hears of the first error; the others are heard by nobody.
    coming.catch(() => undefined);
    const missing = { sample, digest, size: this.#options.sizeOf(sample), coming, resolve, reject };
    this.#missing.set(digest, missing);
    this.#queue.push(missing);
    return coming;
  }

  /** Asks for the next images, while fewer than the most requests are under way. */
  #ask(): void {
    while (this.#requests < REQUESTS && this.#queue.length > 0) {
      const asked = this.#next();
      this.#requests += 1;
      void this.#fetch(asked)
        .catch((error: unknown) => {
          for (const missing of asked) this.#end(missing, () => missing.reject(error));
        })
        .finally(() => {
          this.#requests -= 1;
          this.#ask();
        });
    }
  }

  /** The images of the next request: as many as fit in an answer. */
  #next(): Missing[] {
    let bytes = 0;
    const beyond = this.#queue.findIndex(({ size }, i) => {
      bytes += size;
      return i > 0 && (bytes > LIMITS.feedBytes || i >= IMAGES);
    });
    return this.#queue.splice(0, beyond < 0 ? this.#queue.length : beyond);
  }

  async #fetch(asked: readonly Missing[]): Promise<void> {
    const { client, cache, store } = this.#options;
    const samples = Int32Array.from(asked, ({ sample }) => sample);
    const body = { type: 'image.get', split: store.name } as const;
    const answer = await client.ask(body, [{ name: 'samples', dtype: 'int32', shape: [samples.length], data: samples }]);
    const images = imagesOf(answer, asked, client.endpoint);
    for (let from = 0; from < images.length; from += AT_A_TIME) {
      await Promise.all(
        images.slice(from, from + AT_A_TIME).map(async (bytes, i) => {
          const missing = asked[from + i]!;
          await cache.put(missing.digest, bytes);
          this.#end(missing, missing.resolve);
        }),
      );
    }
    // The answer had no room for the rest: it comes first now.
    this.#queue = [...asked.slice(images.length), ...this.#queue];
  }

  #end(missing: Missing, settle: () => void): void {
    if (this.#missing.get(missing.digest) === missing) this.#missing.delete(missing.digest);
    settle();
  }
}

/** The images of an answer, the first ones of those that were asked for. Throws protocol.invalid when it has none or others, and data.damaged when one is another. */
function imagesOf(
  { header, tensors }: DataMessage<DataAnswerOf<'image.answer'>>,
  asked: readonly Missing[],
  address: string,
): Uint8Array[] {
  const [sizes, images] = [tensors[0]?.data, tensors[1]?.data];
  const isWhole = tensors.length === 2 && sizes instanceof Int32Array && images instanceof Uint8Array;
  if (!isWhole || sizes.length === 0 || sizes.length > asked.length || sizes.reduce((sum, size) => sum + size, 0) !== images.length) {
    throw new StillhouseError('protocol.invalid', `the answer has not the images of the split ${header.split} that were asked for`, {
      address,
    });
  }
  let at = 0;
  return Array.from(sizes, (size, i) => {
    const bytes = images.subarray(at, at + size);
    at += size;
    const { sample, digest } = asked[i]!;
    if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
    throw new StillhouseError(
      'data.damaged',
      `sample ${sample} of the split ${header.split} came as another image than the one of its fingerprint`,
      { address },
    );
  });
}

/** The error of a disk that takes no more as one that a person can act on; any other as it is. */
export function unkept(error: unknown, folder: string): unknown {
  if (error instanceof StillhouseError && error.code !== 'install.failed') return error;
  const known = asStillhouseError(error);
  if (known === null) return error;
  const hint = 'Make room there, or set STILLHOUSE_CACHE to a folder of another disk';
  return new StillhouseError('data.missing', `what the coordinator gives cannot be kept: ${known.message}`, {
    file: folder,
    hint,
    cause: error,
  });
}
