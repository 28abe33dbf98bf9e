/** The files of images that came from another machine: each has the SHA-256 of its bytes for its name, so whoever reads one knows whether it is whole. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { StillhouseError } from '../../errors/stillhouse-error.js';
import { retried } from '../coded-source.js';
import { unreadable } from '../data-file.js';
import { DIGEST_BYTES } from '../digest-bytes.js';
import type { ImageDecoder } from '../image/decode.js';
import type { RgbImage } from '../image/rgb-image.js';
import type { FetchedStore } from '../sample-source.js';

/** The digest of a sample's file, 64 hexadecimal digits. */
export function digestOf({ digests }: Pick<FetchedStore, 'digests'>, sample: number): string {
  // A copy: text cannot be made of memory that threads share.
  return Buffer.from(digests.slice(sample * DIGEST_BYTES, (sample + 1) * DIGEST_BYTES)).toString('hex');
}

/** The path of the file of this digest. No folder has more than a 256th of all files. */
export function imageFile(folder: string, digest: string): string {
  return join(folder, digest.slice(0, 2), digest);
}

/** Reads and decodes the image of a sample that was prepared. The pixels are lent until the decoder's next image. Throws data.missing, and data.damaged about a file that has changed. */
export function readFetched(store: FetchedStore, sample: number, decoder: ImageDecoder): RgbImage {
  const digest = digestOf(store, sample);
  const file = imageFile(store.folder, digest);
  const bytes = retried(() => read(file));
  if (createHash('sha256').update(bytes).digest('hex') !== digest) {
    const hint = 'Check the disk. The image is fetched again by the next process that needs it';
    throw new StillhouseError('data.damaged', 'is not the image that was fetched from the coordinator', { file, hint });
  }
  return decoder.decode(file, bytes);
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}
