/** The samples of shards that were read before, in the user's cache: a file for each part, by the stamp of each shard. */

import { z } from 'zod';
import { KeptFiles } from '../kept-file.js';
import type { ShardSamples } from './shard-scan.js';

/** The most parts of data sets that are kept. */
const PARTS_MAX = 16;
/** Rises when a shard is read in another way, or kept in another form. */
const VERSION = 1;
/** The bytes of a sample: its start, length and label. */
const SAMPLE_BYTES = 16;
const LENGTH_BYTES = 4;

const whole = z.int().min(0);
const headSchema = z.array(z.strictObject({ stamp: z.string(), count: whole, texts: z.array(z.string()), places: z.array(whole) }));

/** A shard's state, and what it held. */
interface StampedShard {
  readonly stamp: string;
  readonly samples: ShardSamples;
}

export class ShardCache {
  readonly #kept: KeptFiles;
  readonly #name: string;

  /** `folder` need not exist yet. `name`: the part's; `key`: the way in which labels are read. */
  constructor(folder: string, { name, key }: { readonly name: string; readonly key: string | null }) {
    this.#kept = new KeptFiles({ folder, suffix: '.shards', most: PARTS_MAX });
    this.#name = JSON.stringify([VERSION, name, key]);
  }

  /** The samples by the stamps of their shards; none where nothing is kept. */
  async read(): Promise<ReadonlyMap<string, ShardSamples>> {
    const bytes = await this.#kept.read(this.#name);
    const shards = new Map<string, ShardSamples>();
    if (bytes.length < LENGTH_BYTES) return shards;
    let at = LENGTH_BYTES + bytes.readUInt32LE(0);
    for (const { stamp, count, texts, places } of headSchema.parse(JSON.parse(bytes.toString('utf8', LENGTH_BYTES, at)))) {
      // A copy, whose first byte is where an array of numbers may begin.
      const own = Uint8Array.from(bytes.subarray(at, at + SAMPLE_BYTES * count)).buffer;
      const starts = new Float64Array(own, 0, count);
      const lengths = new Int32Array(own, 8 * count, count);
      shards.set(stamp, { starts, lengths, labels: new Int32Array(own, 12 * count, count), texts, places });
      at += SAMPLE_BYTES * count;
    }
    return shards;
  }

  async write(shards: readonly StampedShard[]): Promise<void> {
    const head = shards.map(({ stamp, samples: { starts, texts, places } }) => ({ stamp, count: starts.length, texts, places }));
    const text = Buffer.from(JSON.stringify(head));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32LE(text.length);
    const arrays = shards.flatMap(({ samples: { starts, lengths, labels } }) => [starts, lengths, labels]);
    await this.#kept.write(this.#name, [
      length,
      text,
      ...arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
    ]);
  }
}
