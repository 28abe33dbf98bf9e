/** The samples of the shards of a part: where each image lies, and its label. Headers and labels are read; no image is. */

import { stat } from 'node:fs/promises';
import { join, parse, relative, resolve } from 'node:path';
import { damaged } from '../data-file.js';
import { forEach } from '../for-each.js';
import type { PartSource } from '../format.js';
import { type ImageIndex, packNames } from '../image-index.js';
import { LabelTable } from '../label-table.js';
import type { ImagePieces } from '../sample-source.js';
import { ShardCache } from './shard-cache.js';
import { findShards } from './shard-names.js';
import { type ShardSamples, scanShard } from './shard-scan.js';
import { isPacked, removeAbandoned, shardStamp, unpackShard } from './unpack-shard.js';

/** The shards that are read at a time. */
const AT_A_TIME = 4;

interface Shard {
  /** The file of the data set. */
  readonly file: string;
  /** The file to read: the same, or the unpacked one. */
  readonly path: string;
  readonly stamp: string;
  readonly samples: ShardSamples;
}

/** The index of a part. `cache`: the folder of the user's cache. Throws data.missing, data.damaged, and system.failed where a compressed shard finds no room. */
export async function indexShards(source: PartSource, cache: string): Promise<ImageIndex> {
  const { folder, part, classes } = source;
  const name = join(resolve(folder), part);
  const shards = await readShards(source, cache);
  const table = new LabelTable({ areNumbers: true });
  for (const { file, samples } of shards) {
    for (const label of samples.labels) table.add(samples.texts[label]!, { file, offset: samples.places[label]! });
  }
  if (table.count === 0) throw damaged(shards[0]!.file, 0, 'has no sample');
  // Unpacked shards lie elsewhere, so names start at the root.
  const { root } = parse(name);
  const places = { folder: root, ...packNames(shards.map(({ path }) => Buffer.from(relative(root, path)))), pieces: piecesOf(shards) };
  const packed = shards.filter(({ file, path }) => file !== path);
  const bytes = await Promise.all(packed.map(async ({ path }) => (await stat(path)).size));
  const unpacked = { folder: unpackFolder(cache), bytes: bytes.reduce((sum, size) => sum + size, 0) };
  const index = { source: name, ...places, count: table.count, ...table.classes(classes), leftOut: 0 };
  return packed.length === 0 ? index : { ...index, unpacked };
}

/** The names of the classes of a part that was indexed before, while its shards are as they were; null otherwise. It opens no shard. Throws data.missing and data.damaged. */
export async function knownClassNames(source: PartSource, cache: string): Promise<readonly string[] | null> {
  const known = await cacheOf(source, cache).read();
  if (known.size === 0) return null;
  const table = new LabelTable({ areNumbers: true });
  for (const file of await findShards(source.folder, source.part)) {
    const samples = known.get(await shardStamp(file));
    if (samples === undefined) return null;
    for (const [i, text] of samples.texts.entries()) table.add(text, { file, offset: samples.places[i]! });
  }
  return table.count === 0 ? null : (table.classes(source.classes).classNames ?? null);
}

function cacheOf({ folder, part, webdataset }: PartSource, cache: string): ShardCache {
  return new ShardCache(join(cache, 'shards'), { name: join(resolve(folder), part), key: webdataset?.key ?? null });
}

function unpackFolder(cache: string): string {
  return join(cache, 'unpacked');
}

async function readShards(source: PartSource, cache: string): Promise<readonly Shard[]> {
  const key = source.webdataset?.key ?? null;
  const files = await findShards(source.folder, source.part);
  const kept = cacheOf(source, cache);
  const known = await kept.read();
  if (files.some(isPacked)) await removeAbandoned(unpackFolder(cache));
  const shards: Shard[] = [];
  let isChanged = false;
  await forEach(files.length, AT_A_TIME, async (i) => {
    const file = files[i]!;
    const stamp = await shardStamp(file);
    const path = isPacked(file) ? await unpackShard(file, unpackFolder(cache)) : file;
    let samples = known.get(stamp);
    if (samples === undefined) {
      samples = await scanShard({ path, name: file, key });
      if ((await shardStamp(file)) !== stamp) throw damaged(file, 0, 'changes while it is read');
      isChanged = true;
    }
    shards[i] = { file, path, stamp, samples };
  });
  if (isChanged || known.size > shards.length) await kept.write(shards);
  return shards;
}

function piecesOf(shards: readonly Shard[]): ImagePieces {
  const count = shards.reduce((sum, { samples }) => sum + samples.starts.length, 0);
  const files = new Int32Array(new SharedArrayBuffer(4 * count));
  const starts = new Float64Array(new SharedArrayBuffer(8 * count));
  const lengths = new Int32Array(new SharedArrayBuffer(4 * count));
  let at = 0;
  for (const [i, { samples }] of shards.entries()) {
    const end = at + samples.starts.length;
    files.fill(i, at, end);
    starts.set(samples.starts, at);
    lengths.set(samples.lengths, at);
    at = end;
  }
  return { files, starts, lengths };
}
