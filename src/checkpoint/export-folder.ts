/**
 * Writes an export to a folder of the user's: whole, or not at all. The files are written and synced beside their place first, and
 * then renamed, so a full disk, a place that cannot be written and a crash leave no model that is half.
 */

import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { writeFolder } from './atomic-folder.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import type { ExportedFile } from './model-export.js';

/** The folder in an existing target where the files are written first. No user's file has this name. */
const STAGING = 'stillhouse-export';

/**
 * Writes the files to the folder `target`, which is made with its parents when it is missing, and answers their paths. In a folder
 * that exists, the last file appears last. Throws `usage.invalid` when the target is a file, or has one of the files already, and
 * `system.failed` when it cannot be written: then everything is as it was.
 */
export async function writeExport(
  target: string,
  files: readonly ExportedFile[],
  fs: FileSystem = nodeFileSystem,
): Promise<readonly string[]> {
  const path = resolve(target);
  try {
    if (await isFolder(path)) await writeInto(fs, path, files);
    else await writeNew(fs, path, files);
  } catch (error) {
    if (error instanceof StillhouseError) throw error;
    throw new StillhouseError('system.failed', `the model cannot be written there: ${messageOf(error)}`, {
      file: path,
      hint: `Nothing of it was left there. ${isNoRoom(error) ? 'Make room, or give' : 'Give'} another folder with --out`,
      cause: error,
    });
  }
  return files.map(({ name }) => join(path, name));
}

/** Whether the disk is full, or the user's share of it. */
function isNoRoom(error: unknown): boolean {
  return hasCode(error, 'ENOSPC') || hasCode(error, 'EDQUOT');
}

/** Throws `usage.invalid` as {@link writeExport} would, before anything is read. */
export async function requireExportTarget(target: string, names: readonly string[], fs: FileSystem = nodeFileSystem): Promise<void> {
  const path = resolve(target);
  if (await isFolder(path)) await requireFree(fs, path, names);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
    throw new StillhouseError('usage.invalid', 'there is a file in this place, and a folder is needed', {
      file: path,
      hint: 'Choose another folder',
    });
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !hasCode(error, 'ENOTDIR')) throw error;
    if (hasCode(error, 'ENOENT')) {
      if (!(await isLink(path))) return false;
      throw new StillhouseError('usage.invalid', 'this is a link that leads nowhere', { file: path, hint: 'Choose another folder' });
    }
  }
  throw new StillhouseError('usage.invalid', 'a part of this path is a file, and a folder is needed', {
    file: path,
    hint: 'Choose another folder',
  });
}

async function isLink(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isSymbolicLink(),
    () => false,
  );
}

async function requireFree(fs: FileSystem, path: string, names: readonly string[]): Promise<void> {
  const there = await fs.listFolder(path);
  const taken = names.findLast((name) => there.includes(name));
  if (taken === undefined) return;
  throw new StillhouseError('usage.invalid', `there is a model in this folder already (${taken})`, {
    file: path,
    hint: 'Choose another folder',
  });
}

/** Makes the folder; after an error, the parents that were made for it are gone as well. */
async function writeNew(fs: FileSystem, path: string, files: readonly ExportedFile[]): Promise<void> {
  const parent = dirname(path);
  const missing = await missingFolders(parent);
  try {
    await fs.makeFolder(parent);
    await writeFolder({ fs, parent, name: basename(path) }, async (add) => {
      for (const { name, bytes } of files) await add(name, bytes);
    });
  } catch (error) {
    // The folder has its name already: only the sync of its parent has failed.
    if (await isWhole(fs, path, files)) return;
    for (const folder of missing) await removeEmpty(fs, folder);
    throw error;
  }
}

async function isWhole(fs: FileSystem, path: string, files: readonly ExportedFile[]): Promise<boolean> {
  const names = await fs.listFolder(path).catch((): readonly string[] => []);
  return files.every(({ name }) => names.includes(name));
}

/** Removes a folder unless somebody has begun to use it. */
async function removeEmpty(fs: FileSystem, folder: string): Promise<void> {
  const isEmpty = (await fs.listFolder(folder).catch(() => ['?'])).length === 0;
  if (isEmpty) await fs.remove(folder).catch(() => undefined);
}

/** The folders on the way to this one that do not exist, the deepest first. */
async function missingFolders(path: string): Promise<readonly string[]> {
  if (await isFolder(path)) return [];
  return [path, ...(await missingFolders(dirname(path)))];
}

/** Adds the files to a folder that exists: they are whole and on the disk before the first one gets its name. */
async function writeInto(fs: FileSystem, path: string, files: readonly ExportedFile[]): Promise<void> {
  await requireFree(
    fs,
    path,
    files.map(({ name }) => name),
  );
  const placed: string[] = [];
  const staging = join(path, STAGING);
  try {
    await writeFolder({ fs, parent: path, name: STAGING }, async (add) => {
      for (const { name, bytes } of files) await add(name, bytes);
    });
    for (const { name } of files) {
      await fs.rename(join(staging, name), join(path, name));
      placed.push(name);
    }
    await fs.syncFolder(path);
  } catch (error) {
    for (const name of [...placed, STAGING]) await fs.remove(join(path, name)).catch(() => undefined);
    throw error;
  }
  await fs.remove(staging);
}
