/**
 * The bytes of data files, plain or gzip: a name that ends in `.gz` says which. It knows nothing of their content.
 *
 * Invariants: a file is given whole or not at all; no more is read or decompressed than was asked for, whatever a file
 * claims. Offsets in errors count content bytes; where gzip itself is broken, they count bytes of the compressed file.
 */

import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';

/** The number of compressed bytes given to zlib at a time. The place where a stream is broken is known to this precision. */
const BLOCK_BYTES = 4096;
const GZIP_MAGIC = 0x1f8b;

/** The error data.damaged at a byte of a file, from 0. It is not thrown here. */
export function damaged(file: string, offset: number, what: string): StillhouseError {
  return new StillhouseError('data.damaged', what, { file, offset, hint: 'Download or copy the file again' });
}

/** The first of `names` that is a file in the folder, as a path. Throws data.missing, with all the names looked for. */
export async function findFile(folder: string, names: readonly string[]): Promise<string> {
  for (const name of names) {
    const file = join(folder, name);
    if (await isFile(file)) return file;
  }
  const there = await stat(folder).catch(() => null);
  const what = there === null ? 'no such folder' : there.isDirectory() ? 'a data file is not in this folder' : 'is not a folder';
  throw new StillhouseError('data.missing', `${what}; looked for ${names.join(' or ')}`, {
    file: folder,
    hint: 'Put the files of the data set there under their own names, or change data.path',
  });
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** The number of bytes on disk. Throws data.missing. */
export async function fileBytes(file: string): Promise<number> {
  const handle = await openFile(file);
  try {
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Throws data.damaged unless the content has this many bytes. It does not check a gzip file, whose length only reading shows. */
export async function requireBytes(file: string, bytes: number): Promise<void> {
  if (isGzip(file)) return;
  const size = await fileBytes(file);
  if (size < bytes) throw cutShort(file, bytes, size);
  if (size > bytes) throw trailing(file, bytes);
}

/** The first `bytes` of the content; throws data.damaged if there are fewer. */
export async function readHead(file: string, bytes: number): Promise<Buffer> {
  const head = isGzip(file) ? await gunzipUpTo(file, bytes) : await readUpTo(file, bytes);
  if (head.length < bytes) throw damaged(file, head.length, `ends in its header: ${bytes} bytes expected, ${head.length} there`);
  return head.subarray(0, bytes);
}

/** The whole content, which must have exactly `bytes` bytes. Throws data.damaged when it has not, and reads only as much as it needs to find that out. */
export async function readExactly(file: string, bytes: number): Promise<Buffer> {
  const content = isGzip(file) ? await gunzipUpTo(file, bytes + 1) : await readWhole(file, bytes);
  if (content.length < bytes) throw cutShort(file, bytes, content.length);
  if (content.length > bytes) throw trailing(file, bytes);
  return content;
}

function cutShort(file: string, bytes: number, there: number): StillhouseError {
  return damaged(file, there, `cut short: ${bytes} bytes expected, ${there} there`);
}

function trailing(file: string, offset: number): StillhouseError {
  return damaged(file, offset, `there are bytes after its end, which is at ${offset}`);
}

async function readWhole(file: string, bytes: number): Promise<Buffer> {
  const size = await fileBytes(file);
  if (size > bytes) throw trailing(file, bytes);
  return readUpTo(file, Math.min(size, bytes));
}

async function readUpTo(file: string, bytes: number): Promise<Buffer> {
  const handle = await openFile(file);
  try {
    const content = Buffer.alloc(bytes);
    let length = 0;
    while (length < bytes) {
      const { bytesRead } = await handle.read(content, length, bytes - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return content.subarray(0, length);
  } finally {
    await handle.close();
  }
}

/**
 * Decompresses until `bytes` are there or the file ends. When it ends first, the stream must be whole: its checksum
 * right and nothing after it.
 */
async function gunzipUpTo(file: string, bytes: number): Promise<Buffer> {
  const size = await fileBytes(file);
  const magic = await readUpTo(file, 2);
  if (magic.length === 2 && magic.readUInt16BE() !== GZIP_MAGIC) {
    const hint = 'If it is not compressed any more, take .gz off its name; otherwise download it again';
    throw new StillhouseError('data.damaged', 'is not gzip', { file, offset: 0, hint });
  }
  const source = createReadStream(file, { highWaterMark: BLOCK_BYTES });
  const gunzip = createGunzip();
  source.on('error', (cause) => gunzip.destroy(unreadable(file, cause)));
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of source.pipe(gunzip)) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= bytes) break;
    }
  } catch (error) {
    throw error instanceof StillhouseError ? error : brokenGzip(file, gunzip.bytesWritten, error);
  } finally {
    source.destroy();
    gunzip.destroy();
  }
  if (length < bytes && gunzip.bytesWritten < size) {
    throw damaged(file, gunzip.bytesWritten, 'there are bytes after the end of its gzip stream');
  }
  return Buffer.concat(chunks, Math.min(length, bytes));
}

/** The error for zlib's failure after `consumed` bytes of the compressed file. It is not thrown here. */
export function brokenGzip(file: string, consumed: number, cause: unknown): StillhouseError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'Z_BUF_ERROR') return damaged(file, consumed, 'cut short: its gzip stream does not end');
  return damaged(file, consumed, `its gzip stream is broken from here on: ${messageOf(cause)}`);
}

function isGzip(file: string): boolean {
  return file.endsWith('.gz');
}

async function openFile(file: string): Promise<FileHandle> {
  return open(file).catch((cause: unknown) => {
    throw unreadable(file, cause);
  });
}

/** The error data.missing about a file that cannot be read. It is not thrown here. */
export function unreadable(file: string, cause: unknown): StillhouseError {
  return new StillhouseError('data.missing', `cannot be read: ${messageOf(cause)}`, {
    file,
    cause,
    hint: 'Check that the file may be read',
  });
}
