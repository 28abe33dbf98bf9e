/**
 * Where checkpoints lie under their folder: `<stage>/<round>/<peer>`, one folder for the part of each peer. A place is that
 * path. Reading only.
 */

import { join } from 'node:path';
import { hasCode } from '../errors/stillhouse-error.js';
import type { StateName } from '../protocol/state-name.js';
import type { FileSystem } from './file-system.js';

/** The place of a state. */
export function placeOf({ stage, round, peer }: StateName): string {
  return join(stage, String(round), peer);
}

/** The folder of all parts of a round, under the folder of checkpoints. */
export function roundFolderOf({ stage, round }: Pick<StateName, 'stage' | 'round'>): string {
  return join(stage, String(round));
}

/** All places in a folder of checkpoints, whole or damaged; none when there is no folder. */
export async function listPlaces(fs: FileSystem, folder: string): Promise<string[]> {
  const stages = await listEntries(fs, folder);
  return (await Promise.all(stages.map((stage) => listPlacesOf(fs, folder, stage)))).flat();
}

/** The places of one stage. */
export async function listPlacesOf(fs: FileSystem, folder: string, stage: string): Promise<string[]> {
  const places: string[] = [];
  for (const round of await listEntries(fs, join(folder, stage))) {
    for (const peer of await listEntries(fs, join(folder, stage, round))) places.push(join(stage, round, peer));
  }
  return places;
}

/** The names in a folder but those of work under way; none when it is not there, or is no folder. */
export async function listEntries(fs: FileSystem, folder: string): Promise<readonly string[]> {
  try {
    return (await fs.listFolder(folder)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return [];
    throw error;
  }
}
