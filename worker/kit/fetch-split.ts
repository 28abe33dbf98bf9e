/**
 * A split of the run's data on a machine that has no files of it: its rows come from the coordinator, once, into a file of the user's cache folder; its coded images
 * come when a batch needs them (fetch-images.ts).
 */

import { join } from 'node:path';
import type { Clock } from '../../src/base/clock.js';
import type { DataRecipe } from '../../src/config/schema.js';
import { ImageCache } from '../../src/data/feed/image-cache.js';
import { readRows, SplitWriter, splitFile, touchSplit, unfinishedBytes } from '../../src/data/feed/split-file.js';
import { rowBytes, type SplitHead, type SplitRows } from '../../src/data/feed/split-rows.js';
import { codedFingerprint } from '../../src/data/fingerprint.js';
import { labelOf, type SampleSource } from '../../src/data/sample-source.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { Logger } from '../../src/log/logger.js';
import { breakLock, freeLock, takeLock } from '../../src/native/lock.js';
import type { DataAnswerOf, DataMessage } from '../../src/protocol/data.js';
import type { FeedClient } from './feed-client.js';
import { ImageFetch, unkept } from './fetch-images.js';
import { DATA_TIMING } from './timing.js';

/** The time between two looks whether another process has fetched the split. */
const LOOK_MS = 500;

export interface SplitFetchOptions {
  readonly recipe: DataRecipe;
  readonly client: FeedClient;
  /** The folder of fetched data in the user's cache folder. It need not exist. */
  readonly folder: string;
  /** The most bytes of coded images that are kept, and the most of splits' rows. */
  readonly limitBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when a split is to come from the coordinator. */
  readonly onGet: (split: string) => void;
}

/** The split to fetch: its name, and the fingerprint that it must have. */
interface Wanted {
  readonly name: string;
  readonly fingerprint: string;
}

export class SplitFetch {
  readonly #options: SplitFetchOptions;
  #images: ImageCache | null = null;

  constructor(options: SplitFetchOptions) {
    this.#options = options;
  }

  /**
   * The split of this name, whose fingerprint is the one given. Throws what FeedClient.ask throws, data.damaged when the coordinator gives another
   * split, and data.missing when the folder cannot be used.
   */
  async get(name: string, fingerprint: string): Promise<SampleSource> {
    const { folder, onGet } = this.#options;
    onGet(name);
    try {
      const rows = await this.#rows({ name, fingerprint });
      return rows.head.kind === 'resident' ? rows.resident(name) : this.#coded(rows, name);
    } catch (error) {
      throw unkept(error, folder);
    }
  }

  async #rows(wanted: Wanted): Promise<SplitRows> {
    const file = splitFile(join(this.#options.folder, 'splits'), wanted.fingerprint);
    const lock = `${file}.lock`;
    const known = (await this.#kept(file, wanted)) ?? (await this.#awaitLock(file, lock, wanted));
    if (known !== null) return known;
    const writer = new SplitWriter(file);
    try {
      return (await this.#kept(file, wanted)) ?? (await this.#fetch(writer, wanted));
    } finally {
      await writer.close();
      await freeLock(lock);
    }
  }

  /** Takes the lock and answers null; or answers the rows that another process has fetched meanwhile. A holder that fetches nothing any more, perhaps of a host that is gone, loses it. */
  async #awaitLock(file: string, lock: string, wanted: Wanted): Promise<SplitRows | null> {
    const { clock, logger } = this.#options;
    let [seen, sinceMs] = ['', clock.nowMs()];
    for (let holder = await takeLock(lock); holder !== null; holder = await takeLock(lock)) {
      const now = `${holder}: ${await unfinishedBytes(file)}`;
      if (now !== seen) [seen, sinceMs] = [now, clock.nowMs()];
      if (clock.nowMs() - sinceMs >= DATA_TIMING.feedSilentMs) {
        logger.warn('data.lockTaken', { split: wanted.name, message: `${holder} was fetching it, and has fetched nothing for long` });
        await breakLock(lock, holder);
      }
      await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve, { unref: true }));
      const known = await this.#kept(file, wanted);
      if (known !== null) return known;
    }
    return null;
  }

  /** The rows of a file of an earlier run, or of another process; null when there is none that can be believed. */
  async #kept(file: string, { name, fingerprint }: Wanted): Promise<SplitRows | null> {
    const kept = await readRows(file);
    if (kept === null) return null;
    if (kept.isIntact && (await kept.rows.fingerprint()) === fingerprint) {
      await touchSplit(file, this.#options.clock.wallMs());
      return kept.rows;
    }
    this.#options.logger.warn('data.notKept', { split: name, file, message: `${file} is damaged, and is fetched again` });
    return null;
  }

  async #fetch(writer: SplitWriter, wanted: Wanted): Promise<SplitRows> {
    const { clock, logger, client, limitBytes } = this.#options;
    const { name, fingerprint } = wanted;
    const startMs = clock.nowMs();
    for (let rows = await writer.goOn(); ; rows = null) {
      const known = rows?.count ?? 0;
      logger.info('data.fetching', { split: name, from: client.endpoint, known });
      const whole = await this.#fill(writer, rows, name);
      if ((await whole.fingerprint()) === fingerprint) {
        await writer.finish({ limitBytes, wallMs: clock.wallMs() });
        const bytes = (whole.count - known) * whole.bytes;
        logger.info('data.fetched', { split: name, samples: whole.count, bytes, ms: Math.round(clock.nowMs() - startMs) });
        return whole;
      }
      await writer.discard();
      const what = `the split ${name} that the coordinator gave is not the one that it named (${fingerprint})`;
      // The rows that an earlier process left may be at fault.
      if (known === 0) throw new StillhouseError('data.damaged', what, { address: client.endpoint });
      logger.warn('data.notKept', { split: name, message: `${what}: it is fetched again` });
    }
  }

  /** Asks for the rows that are missing; one answer is on its way while the one before is written. */
  async #fill(writer: SplitWriter, before: SplitRows | null, split: string): Promise<SplitRows> {
    const { client } = this.#options;
    const ask = (from: number) => client.ask({ type: 'split.get', split, from });
    let rows = before;
    let asked = rows?.isWhole === true ? null : ask(rows?.count ?? 0);
    while (asked !== null) {
      const answer = await asked;
      const head = headOf(answer.header);
      if (rows === null || !isSameHead(rows.head, head)) {
        const isBegun = rows !== null && rows.count > 0;
        rows = await writer.begin(head);
        if (isBegun) {
          asked = ask(0);
          continue;
        }
      }
      const bytes = pageOf(answer, rows, client.endpoint);
      const next = rows.count + bytes.length / rows.bytes;
      asked = next < head.count ? ask(next) : null;
      // An answer that fails while the page is written is thrown when it is awaited.
      asked?.catch(() => undefined);
      await writer.add(bytes);
    }
    return rows!;
  }

  #coded(rows: SplitRows, name: string): SampleSource {
    const { recipe, folder, limitBytes, clock, client } = this.#options;
    const { image } = recipe;
    if (image === undefined) throw new StillhouseError('protocol.invalid', `the images of the split ${name} have no size in the recipe`);
    this.#images ??= new ImageCache({ folder: join(folder, 'images'), limitBytes, clock });
    const cache = this.#images;
    const store = rows.coded(name, { folder: cache.folder, size: image.size, resize: image.resize ?? image.size });
    const { count, classes, digests, labels, height, width, channels } = store;
    const fetch = new ImageFetch({ client, cache, store, sizeOf: (sample) => rows.sizeOf(sample) });
    return {
      ...{ name, height, width, channels, classes, count, store },
      label: (sample) => labelOf(store, sample),
      fingerprint: async () => codedFingerprint({ count, classes, digests, labels }),
      prepare: (samples) => fetch.prepare(samples),
    };
  }
}

function headOf({ kind, count, height, width, channels, classes }: DataAnswerOf<'split.answer'>): SplitHead {
  return { kind, count, height, width, channels, classes };
}

function isSameHead(a: SplitHead, b: SplitHead): boolean {
  return a.kind === b.kind && a.count === b.count && a.classes === b.classes && rowBytes(a) === rowBytes(b);
}

/** The rows of an answer. Throws protocol.invalid unless they are the next ones. */
function pageOf({ header, tensors }: DataMessage<DataAnswerOf<'split.answer'>>, rows: SplitRows, address: string): Uint8Array {
  const bytes = tensors.length === 1 ? tensors[0]?.data : undefined;
  const added = bytes instanceof Uint8Array ? bytes.length / rows.bytes : 0;
  const isNext = header.from === rows.count && Number.isInteger(added) && added > 0 && rows.count + added <= rows.head.count;
  if (bytes instanceof Uint8Array && isNext) return bytes;
  throw new StillhouseError('protocol.invalid', `the answer has not the rows of the split ${header.split} from ${rows.count} on`, {
    address,
  });
}
