/** NumPy archives for tests. */

import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

export interface NpyOptions {
  readonly descr?: string;
  readonly shape: readonly number[];
  readonly elements: Uint8Array;
  readonly order?: 'True' | 'False';
  readonly version?: 1 | 2 | 3;
}

/** An array file, as NumPy writes it. */
export function npyBytes({ descr = '|u1', shape, elements, order = 'False', version = 1 }: NpyOptions): Buffer {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  return npyOf(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${axes}), }`, elements, version);
}

/** An array file with this text in its header. */
export function npyOf(text: string, elements: Uint8Array, version = 1): Buffer {
  const start = version === 1 ? 10 : 12;
  const padded = `${text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1)}\n`;
  const head = Buffer.alloc(start);
  head.write('\x93NUMPY', 'latin1');
  head[6] = version;
  head.writeUIntLE(padded.length, 8, start - 8);
  return Buffer.concat([head, Buffer.from(padded), elements]);
}

/** An archive of members by their names. */
export async function npzBytes(members: Readonly<Record<string, Uint8Array>>, compress = false): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [name, content] of Object.entries(members)) zip.addBuffer(Buffer.from(content), name, { compress });
  zip.end();
  return buffer(zip.outputStream);
}
