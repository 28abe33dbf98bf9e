/** Unpacks the parts of the wheel that the engine needs: two libraries, and the headers that the binding includes. */

import { createWriteStream, existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise } from 'yauzl';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { DISK_HINT, isDiskFault } from './disk-fault.js';
import { LIBRARIES, type NativeLayout } from './layout.js';

const PACKAGE = 'tensorflow/';
const INCLUDE = `${PACKAGE}include/`;
/** The headers of the C interface, and the headers that they include. */
const HEADERS = ['tensorflow/c/', 'tensorflow/core/platform/ctstring', 'tsl/platform/ctstring', 'xla/tsl/c/'];

export interface UnpackContext {
  readonly signal: AbortSignal;
  /** Called with the number of bytes that are unpacked so far. */
  onProgress(bytes: number): void;
}

/** Unpacks the wheel into the layout's folders. Throws `install.failed` when a file is missing in the wheel, and the signal's reason. */
export async function unpackWheel(wheel: string, layout: NativeLayout, context: UnpackContext): Promise<void> {
  try {
    await unpack(wheel, layout, context);
  } catch (error) {
    context.signal.throwIfAborted();
    throw new StillhouseError('install.failed', `${wheel} cannot be unpacked: ${messageOf(error)}`, {
      cause: error,
      ...(isDiskFault(error) ? { hint: DISK_HINT } : {}),
    });
  }
  const missing = LIBRARIES.filter((name) => !existsSync(join(layout.library, name)));
  if (missing.length > 0) throw new StillhouseError('install.failed', `${wheel} has no ${missing.join(' and no ')}`);
}

async function unpack(wheel: string, layout: NativeLayout, { signal, onProgress }: UnpackContext): Promise<void> {
  const zip = await openPromise(wheel);
  try {
    let done = 0;
    for await (const entry of zip.eachEntry()) {
      const file = placeOf(entry, layout);
      if (file === null) continue;
      await mkdir(dirname(file), { recursive: true });
      const meter = new Transform({
        transform(chunk: Buffer, _encoding, pass) {
          done += chunk.length;
          onProgress(done);
          pass(null, chunk);
        },
      });
      await pipeline(await zip.openReadStreamPromise(entry), meter, createWriteStream(file), { signal });
    }
  } finally {
    zip.close();
  }
}

/** The path to which a file of the wheel goes; null when it is not needed. yauzl refuses names that lead out of the archive. */
function placeOf({ fileName }: Entry, { library, include }: NativeLayout): string | null {
  if (fileName.endsWith('/')) return null;
  const name = fileName.slice(PACKAGE.length);
  if (fileName.startsWith(PACKAGE) && LIBRARIES.includes(name)) return join(library, name);
  const header = fileName.slice(INCLUDE.length);
  if (fileName.startsWith(INCLUDE) && HEADERS.some((prefix) => header.startsWith(prefix))) return join(include, header);
  return null;
}
