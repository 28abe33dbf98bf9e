/** A source whose samples are coded images in files, which are read and decoded when a batch needs them. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { unreadable } from './data-file.js';
import type { ImageDecoder } from './image/decode.js';
import type { RgbImage } from './image/rgb-image.js';
import type { CodedStore, ImagePlaces } from './sample-source.js';

const utf8 = new TextDecoder();

/** The absolute path of the file of this number. */
export function pathOf({ folder, names, offsets }: Pick<ImagePlaces, 'folder' | 'names' | 'offsets'>, file: number): string {
  // A copy: memory that threads share cannot be decoded.
  return join(folder, utf8.decode(names.slice(offsets[file], offsets[file + 1])));
}

/** The number of the file that a sample lies in. */
export function fileNumberOf({ pieces }: Pick<ImagePlaces, 'pieces'>, sample: number): number {
  return pieces === null ? sample : pieces.files[sample]!;
}

/** The absolute path of the file that a sample lies in. */
export function fileOf(places: ImagePlaces, sample: number): string {
  return pathOf(places, fileNumberOf(places, sample));
}

/** The place of a sample for messages: its file and, where that has many, the byte. */
export function placeOf(places: ImagePlaces, sample: number): string {
  const file = fileOf(places, sample);
  return places.pieces === null ? file : `${file} (at byte ${places.pieces.starts[sample]})`;
}

/** Does work about the bytes of a file from `start` on. An error's offset, which counts from there, becomes that of the file. */
export function withinFile<T>(start: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (start === 0 || !(error instanceof StillhouseError) || error.details.offset === undefined) throw error;
    const { code, what, details, cause } = error;
    throw new StillhouseError(code, `the image from byte ${start} on: ${what}`, {
      ...details,
      offset: start + error.details.offset,
      cause,
    });
  }
}

/** Reads and decodes the image of a sample. The pixels are lent until the decoder's next image. Throws data.missing, and data.damaged, also about a file that was written since it was indexed. */
export function readSample(store: CodedStore, sample: number, decoder: ImageDecoder): RgbImage {
  const number = fileNumberOf(store, sample);
  const file = pathOf(store, number);
  const known = { size: store.sizes[number]!, time: store.times[number]! };
  const { pieces } = store;
  const start = pieces === null ? 0 : pieces.starts[sample]!;
  const length = pieces === null ? known.size : pieces.lengths[sample]!;
  const bytes = retried(() => readUnchanged(file, known, { start, length }));
  return withinFile(start, () => decoder.decode(file, bytes));
}

/** Errors of a network disk or of too many open files, which pass. */
const PASSING = ['EIO', 'ESTALE', 'EMFILE', 'ENFILE', 'EAGAIN', 'ETIMEDOUT'];
/** The milliseconds before the second and the third attempt. */
const PAUSES = [100, 1000];

/** Whether the cause of an error is one that passes: another try may read the file. */
export function isPassing(error: unknown): boolean {
  const { cause } = error as Error;
  return PASSING.some((code) => hasCode(cause, code));
}

/** Reads again, after a pause in which this thread stands still, where the error `cause` is one that passes. Throws the last error. */
export function retried<T>(read: () => T, pauses: readonly number[] = PAUSES): T {
  for (const pause of pauses) {
    try {
      return read();
    } catch (error) {
      if (!isPassing(error)) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    }
  }
  return read();
}

interface KnownFile {
  readonly size: number;
  readonly time: bigint;
}

interface Span {
  readonly start: number;
  readonly length: number;
}

/** The bytes of a span of the file, if it has this size and was written last at this time when they are read. Both are those of the file that is read, even if another one gets its name meanwhile. */
function readUnchanged(file: string, { size, time }: KnownFile, span: Span): Uint8Array {
  let handle: number | null = null;
  try {
    handle = openSync(file, 'r');
    const bytes = readSpan(handle, span);
    const now = fstatSync(handle, { bigint: true });
    const there = Number(now.size);
    if (there !== size) throw changed(file, Math.min(there, size), `it had ${size} bytes when the data set was indexed, and has ${there}`);
    if (now.mtimeNs !== time)
      throw changed(file, 0, `it was written ${dateOf(now.mtimeNs)}, and ${dateOf(time)} when the data set was indexed`);
    if (bytes.length !== span.length) throw changed(file, span.start + bytes.length, 'another program writes it while it is read');
    return bytes;
  } catch (error) {
    throw error instanceof StillhouseError ? error : unreadable(file, error);
  } finally {
    if (handle !== null) closeSync(handle);
  }
}

/** Fewer bytes than the span has, where the file ends first. */
function readSpan(handle: number, { start, length }: Span): Uint8Array {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const count = readSync(handle, bytes, done, length - done, start + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

function changed(file: string, offset: number, what: string): StillhouseError {
  const hint = 'Leave the files of a data set as they are while a run reads them, and start it again';
  return new StillhouseError('data.damaged', `has changed: ${what}`, { file, offset, hint });
}

function dateOf(nanoseconds: bigint): string {
  return new Date(Number(nanoseconds / 1_000_000n)).toISOString();
}
