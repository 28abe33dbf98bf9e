/**
 * Compressed shards, which are unpacked once into the user's cache, because a sample cannot be reached within one.
 *
 * A copy is a folder with one file, whose name says its bytes: a copy that a power failure cut short is made anew. It is made in a folder of its own, and appears whole
 * where that is renamed. Where several processes unpack a shard at the same time, the first one's copy stays and the others drop theirs: a folder is not renamed to
 * one that has a file. So a copy has the times of its last byte for good, by which its readers know that it is as it was. A link to it would change them.
 */

import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { createGunzip } from 'node:zlib';
import { hasCode, messageOf, StillhouseError } from '../../errors/stillhouse-error.js';
import { makeFolder } from '../../process/make-folder.js';
import { brokenGzip, damaged, unreadable } from '../data-file.js';

/** An unfinished copy to which nothing was written for so long is no one's. */
const ABANDONED_MS = 3_600_000;
const UNFINISHED = /^[0-9a-f]{32}\.[0-9a-f-]{36}$/;
/** The bytes that are unpacked at a time, and those after which the room on the disk is looked at again. */
const PIECE_BYTES = 256 * 1024;
const LOOK_BYTES = 16 * 2 ** 20;
/** The room that is left free on the disk: so much, or this share of a small disk. */
const LEFT_BYTES = 2 ** 30;
const LEFT_SHARE = 0.05;
/** The errors of a folder that takes no file: it is full, or may not be written. */
const NO_ROOM = ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'];

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

/** The bytes that may be written to the disk of a folder. */
export type RoomIn = (folder: string) => Promise<number>;

/**
 * The path of the unpacked shard in `folder`, which need not exist yet. It is unpacked anew when the shard has changed since, and what it was then is deleted. It
 * appears whole. Throws data.missing, data.damaged about gzip (offsets count compressed bytes), and system.failed when there is no room. Only tests give `roomIn`.
 */
export async function unpackShard(shard: string, folder: string, roomIn: RoomIn = freeBytes): Promise<string> {
  const own = digestOf(resolve(shard));
  const stamp = await shardStamp(shard);
  const copy = join(folder, `${own}-${stamp}`);
  const known = await wholeCopy(copy);
  if (known !== null) return known;
  const unfinished = join(folder, `${own}.${randomUUID()}`);
  const file = join(unfinished, 'unfinished');
  try {
    await makeFolder(unfinished);
    await gunzip(shard, { file, folder, roomIn });
    if ((await shardStamp(shard)) !== stamp) throw damaged(shard, 0, 'changes while it is read');
    await rename(file, join(unfinished, nameOf((await stat(file)).size)));
    await publish(unfinished, copy);
  } catch (error) {
    throw NO_ROOM.some((code) => hasCode(error, code)) ? noRoom(shard, folder, messageOf(error)) : error;
  } finally {
    await rm(unfinished, { recursive: true, force: true }).catch(() => undefined);
  }
  await removeBefore(folder, own, copy);
  const made = await wholeCopy(copy);
  if (made === null) throw damaged(shard, 0, `changes while it is read: its copy in ${folder} was deleted`);
  return made;
}

/** Deletes what was left behind in `folder` where unpacking was killed, whichever shard it was. */
export async function removeAbandoned(folder: string): Promise<void> {
  const unfinished = (await readdir(folder).catch(() => [])).filter((name) => UNFINISHED.test(name));
  const now = unfinished.length === 0 ? null : await timeIn(folder).catch(() => null);
  if (now === null) return;
  for (const path of unfinished.map((name) => join(folder, name))) {
    const within = (await readdir(path).catch(() => [])).map((name) => join(path, name));
    const times = await Promise.all([path, ...within].map(async (one) => (await stat(one).catch(() => null))?.mtimeMs ?? 0));
    if (now - Math.max(...times) > ABANDONED_MS) await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** The time by the clock of the folder's disk, which may be another machine's. */
async function timeIn(folder: string): Promise<number> {
  const probe = join(folder, `${digestOf('now')}.${randomUUID()}`);
  await mkdir(probe);
  const { mtimeMs } = await stat(probe);
  await rmdir(probe);
  return mtimeMs;
}

function nameOf(bytes: number): string {
  return `${bytes}.tar`;
}

/** The file of a copy; null when there is none, or it is not whole. */
async function wholeCopy(copy: string): Promise<string | null> {
  for (const name of await readdir(copy).catch(() => [])) {
    const file = join(copy, name);
    const found = await stat(file).catch(() => null);
    if (found !== null && name === nameOf(found.size)) return file;
  }
  return null;
}

/** Gives the copy its name, unless another process has given a whole one. One that is not whole goes. */
async function publish(unfinished: string, copy: string): Promise<void> {
  for (;;) {
    try {
      return await rename(unfinished, copy);
    } catch (error) {
      if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error;
    }
    if ((await wholeCopy(copy)) !== null) return;
    await rm(copy, { recursive: true, force: true });
  }
}

/** Deletes what the shard was before. */
async function removeBefore(folder: string, own: string, copy: string): Promise<void> {
  const before = (await readdir(folder)).filter((name) => name.startsWith(`${own}-`) && name !== basename(copy));
  for (const name of before) await rm(join(folder, name), { recursive: true, force: true });
}

interface Unpacking {
  /** The file to write. */
  readonly file: string;
  /** The folder of all copies, for messages. */
  readonly folder: string;
  readonly roomIn: RoomIn;
}

/** Unpacks the shard, and waits until the disk has it. */
async function gunzip(shard: string, { file, folder, roomIn }: Unpacking): Promise<void> {
  const { size } = await stat(shard).catch((error: unknown) => {
    throw unreadable(shard, error);
  });
  const source = createReadStream(shard);
  const unzip = createGunzip({ chunkSize: PIECE_BYTES });
  source.on('error', (error) => unzip.destroy(unreadable(shard, error)));
  let out: FileHandle | null = null;
  try {
    out = await open(file, 'wx');
    let written = 0;
    let looked = -LOOK_BYTES;
    for await (const piece of source.pipe(unzip) as AsyncIterable<Buffer>) {
      if (written + piece.length > looked + LOOK_BYTES) {
        if ((await roomIn(folder)) < LOOK_BYTES) throw noRoom(shard, folder, `its disk is nearly full after ${written} bytes of it`);
        looked = written;
      }
      await out.writeFile(piece);
      written += piece.length;
    }
    await out.sync();
  } catch (error) {
    throw isOfZlib(error) ? brokenGzip(shard, unzip.bytesWritten, error) : error;
  } finally {
    source.destroy();
    unzip.destroy();
    await out?.close();
  }
  if (unzip.bytesWritten < size) throw damaged(shard, unzip.bytesWritten, 'there are bytes after the end of its gzip stream');
}

function isOfZlib(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
}

/** The bytes that are free, without those that are left to others. A system that does not say it has no limit. */
async function freeBytes(folder: string): Promise<number> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize - Math.min(LEFT_BYTES, LEFT_SHARE * blocks * bsize);
}

function noRoom(shard: string, folder: string, what: string): StillhouseError {
  return new StillhouseError('system.failed', `cannot be unpacked into ${folder}: ${what}`, {
    file: shard,
    hint: 'Make room there, name another folder by STILLHOUSE_CACHE, or unpack the shard yourself (gunzip) and name the .tar',
  });
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
