/** A source whose samples are files of coded images, which are read and decoded when a batch needs them. */

import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { unreadable } from './data-file.js';
import type { ImageDecoder } from './image/decode.js';
import type { RgbImage } from './image/rgb-image.js';
import type { CodedStore } from './sample-source.js';

const utf8 = new TextDecoder();

/** The absolute path of a sample's file. */
export function fileOf({ folder, names, offsets }: Pick<CodedStore, 'folder' | 'names' | 'offsets'>, sample: number): string {
  // A copy: memory that threads share cannot be decoded.
  return join(folder, utf8.decode(names.slice(offsets[sample], offsets[sample + 1])));
}

/** Reads and decodes the image of a sample. The pixels are lent until the decoder's next image. Throws data.missing, and data.damaged, also about a file that was written since it was indexed. */
export function readSample(store: CodedStore, sample: number, decoder: ImageDecoder): RgbImage {
  const file = fileOf(store, sample);
  return decoder.decode(
    file,
    retried(() => readUnchanged(file, store.sizes[sample]!, store.times[sample]!)),
  );
}

/** Errors of a network disk or of too many open files, which pass. */
const PASSING = ['EIO', 'ESTALE', 'EMFILE', 'ENFILE', 'EAGAIN', 'ETIMEDOUT'];
/** The milliseconds before the second and the third attempt. */
const PAUSES = [100, 1000];

/** Reads again, after a pause in which this thread stands still, where the error `cause` is one that passes. Throws the last error. */
export function retried<T>(read: () => T, pauses: readonly number[] = PAUSES): T {
  for (const pause of pauses) {
    try {
      return read();
    } catch (error) {
      const { cause } = error as Error;
      if (!PASSING.some((code) => hasCode(cause, code))) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }
  return read();
}

/** The bytes of the file, if it has this size and was written last at this time. Both are those of the file that is read, even if another one gets its name meanwhile. */
function readUnchanged(file: string, size: number, time: bigint): Uint8Array {
  let handle: number | null = null;
  try {
    handle = openSync(file, 'r');
    const now = fstatSync(handle, { bigint: true });
    const there = Number(now.size);
    if (there !== size) throw changed(file, Math.min(there, size), `it had ${size} bytes when the data set was indexed, and has ${there}`);
    if (now.mtimeNs !== time)
      throw changed(file, 0, `it was written ${dateOf(now.mtimeNs)}, and ${dateOf(time)} when the data set was indexed`);
    const bytes = readFileSync(handle);
    if (bytes.length !== size) throw changed(file, Math.min(bytes.length, size), 'another program writes it while it is read');
    return bytes;
  } catch (error) {
    throw error instanceof StillhouseError ? error : unreadable(file, error);
  } finally {
    if (handle !== null) closeSync(handle);
  }
}

function changed(file: string, offset: number, what: string): StillhouseError {
  const hint = 'Leave the files of a data set as they are while a run reads them, and start it again';
  return new StillhouseError('data.damaged', `has changed: ${what}`, { file, offset, hint });
}

function dateOf(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}
