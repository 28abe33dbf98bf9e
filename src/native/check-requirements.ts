/** Checks all requirements of an install before it begins, and names everything that is missing at once. */

import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { missingRequirements } from './requirement.js';
import { findCompiler, findPip, type PipCommand } from './toolchain.js';

export interface Need {
  readonly cache: string;
  readonly env: NodeJS.ProcessEnv;
  /** Free bytes that are needed on the disk of the cache folder. */
  readonly bytes: number;
  /** Whether something must be downloaded. Only then is pip needed. */
  readonly download: boolean;
}

export interface Tools {
  readonly pip: PipCommand;
  readonly compiler: readonly string[];
}

const NOT_NEEDED: PipCommand = { command: [], settings: new Map() };

/** Finds the tools, or throws `install.missing` with the list of all that is missing. It makes the cache folder and nothing else. */
export async function checkRequirements({ cache, env, bytes, download }: Need): Promise<Tools> {
  const cacheFault = await whyNotWritable(cache);
  const [pip, compiler] = await Promise.all([download ? findPip(env) : NOT_NEEDED, findCompiler(env)]);
  const freeBytes = cacheFault === null ? await freeOn(cache) : 0;
  const missing = missingRequirements({ pip, compiler, cache, cacheFault, freeBytes, neededBytes: bytes });
  if (missing.length > 0 || 'fault' in pip || 'fault' in compiler) {
    const list = missing.map((sentence) => `\n  - ${sentence}`).join('');
    throw new StillhouseError(
      'install.missing',
      `the engine tensorflow cannot be installed here yet. Missing:${list}\nNothing was downloaded`,
      {
        hint: 'Provide these, then run the command again; until then, use the engine wasm',
      },
    );
  }
  return { pip, compiler: compiler.command };
}

/** Makes the folder. Answers the reason, in words, when files cannot be made in it; otherwise null. */
export async function whyNotWritable(folder: string): Promise<string | null> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function freeOn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
