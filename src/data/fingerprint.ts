/**
 * The fingerprint of a split: one number for its content, whatever files it came from. Two processes with the same
 * fingerprint see the same samples under the same indices.
 *
 * It is the SHA-256 of, in this order:
 *   the line `stillhouse samples 1`, as ASCII, with its line feed
 *   count, height, width, channels, classes
 *   the pixels [count, height, width, channels], a byte each
 *   the labels [count]
 * Numbers that are not bytes have 32 bits, the lowest byte first. The 1 is {@link FINGERPRINT_VERSION}. Names of files,
 * parts and splits are not in it.
 *
 * Where samples are files of coded images, the files are the content, and no image is decoded for it:
 *   the line `stillhouse coded samples 1`
 *   count, classes
 *   the SHA-256 of the bytes of each file
 *   the labels [count]
 * The size that images are given is the recipe's, and is compared with it.
 */

import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { LabelledImages } from './sample-source.js';

/** Must be raised when this definition changes, or when a format makes other bytes of the same files. */
export const FINGERPRINT_VERSION = 1;

/** The number of bytes hashed at a time, some ten milliseconds: between two pieces the event loop has its turn. */
const CHUNK_BYTES = 4 * 1024 * 1024;

/** The fingerprint, 64 hexadecimal digits. The images must not change until it resolves. */
export async function fingerprintOf({ count, height, width, channels, classes, pixels, labels }: LabelledImages): Promise<string> {
  const hash = createHash('sha256').update(`stillhouse samples ${FINGERPRINT_VERSION}\n`);
  hash.update(wordBytes([count, height, width, channels, classes]));
  for (let start = 0; start < pixels.length; start += CHUNK_BYTES) {
    hash.update(pixels.subarray(start, start + CHUNK_BYTES));
    await setImmediate();
  }
  return hash.update(wordBytes(labels)).digest('hex');
}

interface CodedContent {
  readonly count: number;
  readonly classes: number;
  /** [count, 32] */
  readonly digests: Uint8Array;
  /** [count] */
  readonly labels: Int32Array;
}

/** The fingerprint of samples that are files of coded images, 64 hexadecimal digits. */
export function codedFingerprint({ count, classes, digests, labels }: CodedContent): string {
  const hash = createHash('sha256').update(`stillhouse coded samples ${FINGERPRINT_VERSION}\n`);
  return hash
    .update(wordBytes([count, classes]))
    .update(digests)
    .update(wordBytes(labels))
    .digest('hex');
}

/** Each number as 32 bits, the lowest byte first, whatever the processor's order is. */
function wordBytes(numbers: ArrayLike<number>): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * numbers.length));
  for (let i = 0; i < numbers.length; i++) bytes.setUint32(4 * i, numbers[i]!, true);
  return new Uint8Array(bytes.buffer);
}
