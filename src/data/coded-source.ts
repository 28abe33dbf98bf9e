/** A source whose samples are files of coded images, which are read and decoded when a batch needs them. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { damaged, unreadable } from './data-file.js';
import type { ImageDecoder } from './image/decode.js';
import type { RgbImage } from './image/rgb-image.js';
import type { CodedStore } from './sample-source.js';

const utf8 = new TextDecoder();

/** The absolute path of a sample's file. */
export function fileOf({ folder, names, offsets }: Pick<CodedStore, 'folder' | 'names' | 'offsets'>, sample: number): string {
  // A copy: memory that threads share cannot be decoded.
  return join(folder, utf8.decode(names.slice(offsets[sample], offsets[sample + 1])));
}

/** Reads and decodes the image of a sample. The pixels are lent until the decoder's next image. Throws data.missing and data.damaged. */
export function readSample(store: CodedStore, sample: number, decoder: ImageDecoder): RgbImage {
  const file = fileOf(store, sample);
  const bytes = readWhole(file);
  const before = store.sizes[sample]!;
  if (bytes.length !== before) {
    throw damaged(
      file,
      Math.min(bytes.length, before),
      `has changed: it had ${before} bytes when the data set was indexed, and has ${bytes.length}`,
    );
  }
  return decoder.decode(file, bytes);
}

function readWhole(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw unreadable(file, error);
  }
}
