/** A small wheel, made up: a zip with the files that an install looks for. */

import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';
import type { Wheel } from '../../src/native/wheel.js';

/** The files of a whole one, by their paths in the archive. */
export const WHEEL_FILES: Readonly<Record<string, string>> = {
  'tensorflow/libtensorflow_cc.so.2': 'the library'.repeat(30_000),
  'tensorflow/libtensorflow_framework.so.2': 'its framework',
  'tensorflow/include/tensorflow/c/c_api.h': '#error "a header of a made-up wheel"\n',
  'tensorflow/include/tensorflow/c/eager/c_api.h': '',
  'tensorflow/include/unneeded.h': 'no',
  'tensorflow/python/unneeded.py': 'no',
};

export interface MadeWheel {
  readonly wheel: Wheel;
  readonly content: Buffer;
}

/** Zips the files. The name is that of a release that pip takes for every machine of this kind. */
export async function makeWheel(files: Readonly<Record<string, string>> = WHEEL_FILES): Promise<MadeWheel> {
  const zip = new ZipFile();
  // pip looks at what it downloads.
  const all = {
    ...files,
    'made_up-1.0.dist-info/METADATA': 'Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n',
    'made_up-1.0.dist-info/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
  };
  for (const [name, text] of Object.entries(all)) zip.addBuffer(Buffer.from(text), name, { compress: false });
  zip.end();
  const content = await buffer(zip.outputStream);
  return {
    content,
    wheel: {
      project: 'made-up',
      version: '1.0',
      fileName: 'made_up-1.0-py3-none-any.whl',
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.length,
      unpackedBytes: 400_000,
      platform: 'manylinux_2_27_x86_64',
    },
  };
}
