/** Compressed shards, which are unpacked once into the user's cache, because a sample cannot be reached within one. */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { hasCode, StillhouseError } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { brokenGzip, damaged, unreadable } from '../data-file.js';

/** A file that is not whole after so long is no one's. */
const ABANDONED_MS = 3_600_000;

/** Whether the name is that of a compressed shard. */
export function isPacked(shard: string): boolean {
  return /\.(tar\.gz|tgz)$/.test(shard);
}

/** A state of a file: it changes whenever the file does. */
export async function shardStamp(shard: string): Promise<string> {
  const { size, mtimeNs, ctimeNs } = await stat(shard, { bigint: true }).catch((error: unknown) => {
    throw unreadable(shard, error);
  });
  return digestOf(`${resolve(shard)}\n${size}\n${mtimeNs}\n${ctimeNs}`);
}

/**
 * The path of the unpacked shard in `folder`, which need not exist yet. It is unpacked anew when the shard has changed since, and what it was then is deleted. It
 * appears whole. Throws data.missing, data.damaged about gzip (offsets count compressed bytes), and system.failed when there is no room.
 */
export async function unpackShard(shard: string, folder: string): Promise<string> {
  const own = digestOf(resolve(shard));
  const stamp = await shardStamp(shard);
  const unpacked = join(folder, `${own}-${stamp}.tar`);
  if (await stat(unpacked).catch(() => null)) return unpacked;
  const unfinished = join(folder, `${own}.${randomUUID()}`);
  try {
    await makeFolder(folder);
    await gunzip(shard, unfinished);
    if ((await shardStamp(shard)) !== stamp) throw damaged(shard, 0, 'changes while it is read');
    await rename(unfinished, unpacked);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => undefined);
    throw hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT') || hasCode(error, 'EROFS') || hasCode(error, 'EACCES')
      ? noRoom(shard, folder, error)
      : error;
  }
  await removeBefore(folder, own, unpacked);
  return unpacked;
}

/** Deletes what the shard was before, and what was left behind where unpacking was killed. */
async function removeBefore(folder: string, own: string, unpacked: string): Promise<void> {
  const { mtimeMs: now } = await stat(unpacked);
  for (const name of await readdir(folder)) {
    const file = join(folder, name);
    if (!name.startsWith(own) || file === unpacked) continue;
    const written = (await stat(file).catch(() => null))?.mtimeMs ?? now;
    if (name.startsWith(`${own}-`) || written < now - ABANDONED_MS) await rm(file, { force: true });
  }
}

async function gunzip(shard: string, to: string): Promise<void> {
  const { size } = await stat(shard);
  const source = createReadStream(shard);
  const unzip = createGunzip();
  let fault: StillhouseError | null = null;
  source.on('error', (error) => {
    fault = unreadable(shard, error);
  });
  unzip.on('error', (error) => {
    fault ??= brokenGzip(shard, unzip.bytesWritten, error);
  });
  await pipeline(source, unzip, createWriteStream(to, { flags: 'wx' })).catch((error: unknown) => {
    throw fault ?? error;
  });
  if (unzip.bytesWritten < size) throw damaged(shard, unzip.bytesWritten, 'there are bytes after the end of its gzip stream');
}

function noRoom(shard: string, folder: string, cause: unknown): StillhouseError {
  return new StillhouseError('system.failed', `cannot be unpacked into ${folder}: ${(cause as Error).message}`, {
    file: shard,
    cause,
    hint: 'Make room there, name another folder by STILLHOUSE_CACHE, or unpack the shard yourself (gunzip) and name the .tar',
  });
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
