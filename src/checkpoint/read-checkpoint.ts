/**
 * Reads a checkpoint from its folder: whole and verified, or not at all. Reading changes nothing on the disk, so any
 * process may read while another one writes.
 */

import { join } from 'node:path';
import type { Term } from '../base/ids.js';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import type { Range } from '../protocol/field.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { MANIFEST_BYTES_MAX, MANIFEST_FILE, type Manifest, readManifest } from './manifest.js';
import { openFile, readTensor } from './tensor-file.js';

/** The description of a whole checkpoint on disk, from its manifest. */
export interface StoredCheckpoint {
  readonly id: string;
  readonly term: Term;
  readonly stage: string;
  readonly round: number;
  /** The samples that its parameters contain, as positions of the stage's order. */
  readonly ranges: readonly Range[];
  /** SHA-256 of the parameters. */
  readonly hash: string;
  /** Hash of the arena's schema. */
  readonly schema: string;
}

export interface CheckpointContent {
  readonly info: StoredCheckpoint;
  /**
   * float32 [P]: the arena of P parameters. The caller of `get` owns both arrays. The caller of `put` must not change
   * them until it resolves.
   */
  readonly parameters: Float32Array;
  /** float32 [S]: the optimiser's state. */
  readonly slots: Float32Array;
}

/** A file with this name in a checkpoint's folder says why it is damaged. */
export const DAMAGE_FILE = 'damaged.txt';

/** The place of a checkpoint: its folder is `folder`/`id`. */
export interface CheckpointPlace {
  readonly fs: FileSystem;
  readonly folder: string;
  readonly id: string;
}

/**
 * Reads and verifies a checkpoint. Throws `checkpoint.damaged` with file and offset. When `keep` is false, it compares
 * the tensors with their hashes and answers empty arrays in their place.
 */
export async function readCheckpoint(place: CheckpointPlace, keep: boolean): Promise<CheckpointContent> {
  const { fs } = place;
  const folder = join(place.folder, place.id);
  const manifest = await readManifestAt(place);
  const [first, second] = manifest.tensors;
  const parameters = await readTensor(fs, folder, { spec: first, keep });
  const slots = await readTensor(fs, folder, { spec: second, keep });
  const { id, term, stage, round, ranges, hash, schema } = manifest;
  return { info: { id, term, stage, round, ranges, hash, schema }, parameters, slots };
}

/**
 * Reads the stage's whole checkpoint with the highest round. It reads the tensors of that checkpoint alone, and of newer
 * ones that prove damaged. Throws `checkpoint.missing`, naming the damaged ones, when none is whole.
 */
export async function readNewestCheckpoint(folder: string, stage: string, fs: FileSystem = nodeFileSystem): Promise<CheckpointContent> {
  const found: Manifest[] = [];
  const damage: string[] = [];
  for (const id of await listCheckpoints(fs, folder)) {
    const manifest = await unlessDamaged(damage, () => readManifestAt({ fs, folder, id }));
    if (manifest?.stage === stage) found.push(manifest);
  }
  for (const { id } of found.sort(newestFirst)) {
    const content = await unlessDamaged(damage, () => readCheckpoint({ fs, folder, id }, true));
    if (content !== null) return content;
  }
  throw new StillhouseError('checkpoint.missing', [`the stage ${stage} has no whole checkpoint yet`, ...damage].join('; '), {
    file: folder,
  });
}

/** Sorts checkpoints by round and then by term, the highest first. */
export function newestFirst(a: Pick<StoredCheckpoint, 'round' | 'term'>, b: Pick<StoredCheckpoint, 'round' | 'term'>): number {
  return b.round - a.round || b.term - a.term;
}

/** The ids of all checkpoints in a folder, whole or damaged; an empty list when the folder does not exist. */
export async function listCheckpoints(fs: FileSystem, folder: string): Promise<readonly string[]> {
  try {
    return (await fs.listFolder(folder)).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Null when `read` finds damage (its message is added to `damage`), or when the checkpoint was deleted meanwhile. */
async function unlessDamaged<T>(damage: string[], read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    if (!(error instanceof StillhouseError && error.code === 'checkpoint.damaged')) throw error;
    damage.push(error.message);
    return null;
  }
}

async function readManifestAt({ fs, folder, id }: CheckpointPlace): Promise<Manifest> {
  const own = join(folder, id);
  if ((await fs.listFolder(own)).includes(DAMAGE_FILE)) {
    throw new StillhouseError('checkpoint.damaged', await readText(fs, join(own, DAMAGE_FILE)));
  }
  const path = join(own, MANIFEST_FILE);
  const manifest = readManifest(await readText(fs, path), path);
  if (manifest.id !== id) throw new StillhouseError('checkpoint.damaged', `is of ${manifest.id}, not of ${id}`, { file: path });
  return manifest;
}

async function readText(fs: FileSystem, path: string): Promise<string> {
  const file = await openFile(fs, path);
  try {
    if (file.size > MANIFEST_BYTES_MAX) throw new StillhouseError('checkpoint.damaged', `has ${file.size} bytes`, { file: path });
    const bytes = new Uint8Array(file.size);
    await file.read(bytes);
    return new TextDecoder().decode(bytes);
  } finally {
    await file.close();
  }
}
