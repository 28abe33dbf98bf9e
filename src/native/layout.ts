/**
 * Where the native parts of the engine `tensorflow` lie: libtensorflow and the headers of one release, and beside them
 * the binding of tfjs compiled against it. One copy serves every checkout of the program.
 */

import { join } from 'node:path';
import { cacheFolder } from '../process/cache-folder.js';

/** The release that the engine is tested with. */
export const LIBRARY_VERSION = '2.21.0';
/** The release of tfjs whose binding is compiled, and the version of Node-API that it is compiled for. */
export const BINDING_VERSION = '4.22.0-napi8';

export interface NativeLayout {
  readonly folder: string;
  /** libtensorflow_cc.so.2 and libtensorflow_framework.so.2. */
  readonly library: string;
  /** The headers of its C interface. */
  readonly include: string;
  /** tfjs_binding.node */
  readonly binding: string;
  /** Written last: what is there without it is not whole. */
  readonly manifest: string;
}

/** The paths of the release for one kind of device; nothing need be there. */
export function nativeLayout(device: 'cpu', cache = cacheFolder()): NativeLayout {
  const folder = join(cache, `tensorflow-${LIBRARY_VERSION}-${device}`);
  return {
    folder,
    library: join(folder, 'lib'),
    include: join(folder, 'include'),
    binding: join(folder, `binding-${BINDING_VERSION}`, 'tfjs_binding.node'),
    manifest: join(folder, 'installed.json'),
  };
}
