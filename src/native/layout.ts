/**
 * The paths of the native parts of the engine `tensorflow`: libtensorflow and its headers, of one release, and next to
 * them tfjs's binding, compiled against it. One copy serves every checkout of the program.
 */

import { join } from 'node:path';
import { cacheFolder } from '../process/cache-folder.js';

/** The release of libtensorflow that the engine is tested with. */
export const LIBRARY_VERSION = '2.21.0';
/** The release of tfjs whose binding is compiled, and the version of Node-API that it is compiled for. */
export const BINDING_VERSION = '4.22.0-napi8';

/** The package that has the binding's sources. */
export const BINDING_PACKAGE = '@tensorflow/tfjs-node-gpu';
/** The files of the library. */
export const LIBRARIES: readonly string[] = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'];
/** The name of every folder of the engine in the cache folder begins with this. */
export const FOLDER_PREFIX = 'tensorflow-';

export interface NativeLayout {
  readonly folder: string;
  /** The folder of libtensorflow_cc.so.2 and libtensorflow_framework.so.2. */
  readonly library: string;
  /** The folder of the headers of its C interface. */
  readonly include: string;
  /** The file tfjs_binding.node. */
  readonly binding: string;
  /** The file that is written last: a folder without it is not whole. */
  readonly manifest: string;
}

/** The paths of the release for one kind of device. They need not exist. */
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

/** The paths that an install uses in the cache folder while it runs. */
export interface NativeWork {
  readonly cache: string;
  /** The lock file: one process at a time installs or removes. */
  readonly lock: string;
  /** The folder of downloads and unfinished parts. The next install uses them; they may also be deleted. */
  readonly folder: string;
  /** The folder of pip's temporary files and downloads. */
  readonly pip: string;
  /** A folder with the layout of a cache folder: parts are made and tried in it, then moved. */
  readonly stage: string;
}

/** The paths that an install uses while it runs. They need not exist. */
export function nativeWork(cache = cacheFolder()): NativeWork {
  const folder = join(cache, `${FOLDER_PREFIX}work`);
  return { cache, lock: join(cache, 'tensorflow.lock'), folder, pip: join(folder, 'pip'), stage: join(folder, 'stage') };
}
