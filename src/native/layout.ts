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

/** The package that has the binding's sources. */
export const BINDING_PACKAGE = '@tensorflow/tfjs-node-gpu';
/** The files of the library. */
export const LIBRARIES: readonly string[] = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
/** With this begins the name of every folder of the engine in the cache folder. */
export const FOLDER_PREFIX = 'tensorflow-';

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
  const folder = join(cache, `${FOLDER_PREFIX}${LIBRARY_VERSION}-${device}`);
  return {
    folder,
    library: join(folder, 'lib'),
    include: join(folder, 'include'),
    binding: join(folder, `binding-${BINDING_VERSION}`, 'tfjs_binding.node'),
    manifest: join(folder, 'installed.json'),
  };
}

/** What lies in the cache folder beside the installed parts, or in their place. */
export interface NativeWork {
  readonly cache: string;
  /** Held by the one process that installs or removes. */
  readonly lock: string;
  /** Downloads, and all that is not whole yet. What is in it can be used by the next install, or thrown away. */
  readonly folder: string;
  readonly pip: string;
  /** Laid out as a cache folder: what is made there is tried there, then moved. */
  readonly stage: string;
}

/** The paths that an install works in; nothing need be there. */
export function nativeWork(cache = cacheFolder()): NativeWork {
  const folder = join(cache, `${FOLDER_PREFIX}work`);
  return { cache, lock: join(cache, 'tensorflow.lock'), folder, pip: join(folder, 'pip'), stage: join(folder, 'stage') };
}
