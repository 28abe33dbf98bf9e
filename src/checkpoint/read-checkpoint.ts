/**
 * Reads a checkpoint from its folder: whole and verified, or not at all. Reading changes nothing on the disk, so any
 * process may read while another one writes.
 */

import { join, sep } from 'node:path';
import { present } from '../base/assert.js';
import type { Term } from '../base/ids.js';
import { MODEL_PEER } from '../config/peer.js';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import type { Range } from '../protocol/field.js';
import type { StateName } from '../protocol/state-name.js';
import { HASHED_TENSORS, type StateTensors } from '../tensor/state-tensors.js';
import { ChunkHashes, type HashedFile } from './chunk-hashes.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { MANIFEST_BYTES_MAX, MANIFEST_FILE, type Manifest, readManifest } from './manifest.js';
import { listPlacesOf, placeOf } from './place.js';
import { openFile, readDescribed, readTensor, sharedHashOf } from './tensor-file.js';

/** The description of a whole checkpoint on disk, the state of one peer, from its manifest. */
export interface StoredCheckpoint {
  readonly state: StateName;
  readonly term: Term;
  /** The samples that its parameters contain, as positions of the stage's order. */
  readonly ranges: readonly Range[];
  /** The hash of the state (src/tensor/state-tensors.ts). */
  readonly hash: string;
  /** Hash of the arena's schema. */
  readonly schema: string;
}

export interface CheckpointContent {
  readonly info: StoredCheckpoint;
  /** The caller of `get` owns the arrays. The caller of `put` must not change them until it resolves. */
  readonly tensors: StateTensors;
  /** The layers of the model (src/tensor/topology.ts). `openDescribedModel` of src/nn opens the model from this and `parameters`. */
  readonly topology: Uint8Array;
}

/** A file with this name in a checkpoint's folder says why it is damaged. */
export const DAMAGE_FILE = 'damaged.txt';

/** The place of a checkpoint: its folder is `folder`/`place`. */
export interface CheckpointPlace {
  readonly fs: FileSystem;
  readonly folder: string;
  readonly place: string;
}

/** Reads and verifies a checkpoint. Throws `checkpoint.damaged` with file and offset. */
export async function readCheckpoint(at: CheckpointPlace): Promise<CheckpointContent> {
  const { info, tensors, topology } = await readAll(at, true);
  return { info, tensors, topology };
}

/** A checkpoint that was whole, with what the reading of a part of it needs. */
export interface VerifiedCheckpoint {
  readonly info: StoredCheckpoint;
  /** The files of its tensors, by the tensors' names, in their order. */
  readonly files: ReadonlyMap<string, HashedFile>;
}

/** Compares a checkpoint with its hashes, and keeps none of it. Throws as `readCheckpoint` does. */
export async function verifyCheckpoint(at: CheckpointPlace): Promise<VerifiedCheckpoint> {
  const { info, files } = await readAll(at, false);
  return { info, files };
}

/** With `keep` false the topology and the tensors are compared alone, and empty. */
async function readAll(at: CheckpointPlace, keep: boolean): Promise<CheckpointContent & VerifiedCheckpoint> {
  const { fs } = at;
  const folder = join(at.folder, at.place);
  const { state, term, ranges, hash, schema, topology: described, tensors: specs } = await readManifestAt(at);
  const topology = await readDescribed(fs, folder, { spec: described, keep, shared: null });
  const tensors = new Map<string, Float32Array>();
  const files = new Map<string, HashedFile>();
  const shared = sharedHashOf(specs.map(({ name }) => name));
  for (const spec of specs) {
    const { name, file, bytes } = spec;
    const chunks = new ChunkHashes();
    tensors.set(name, await readTensor(fs, folder, { spec, keep, shared: HASHED_TENSORS.includes(name) ? shared : null, chunks }));
    files.set(name, { file, bytes, chunks: chunks.end() });
  }
  if (shared !== null && shared.digest('hex') !== hash) {
    throw new StillhouseError('checkpoint.damaged', 'the tensors do not hash to the state together', { file: folder });
  }
  return { info: { state, term, ranges, hash, schema }, tensors, topology, files };
}

/** Reads and verifies the model of a checkpoint: its layers and its parameters, which are the only tensor that is read. Throws `checkpoint.damaged`. */
export async function readModelAt(at: CheckpointPlace): Promise<CheckpointContent> {
  const { fs } = at;
  const folder = join(at.folder, at.place);
  const { state, term, ranges, hash, schema, topology: described, tensors: specs } = await readManifestAt(at);
  const topology = await readDescribed(fs, folder, { spec: described, keep: true, shared: null });
  const spec = present(
    specs.find(({ name }) => name === 'parameters'),
    'the parameters of a checkpoint',
  );
  const parameters = await readTensor(fs, folder, { spec, keep: true, shared: null });
  return { info: { state, term, ranges, hash, schema }, tensors: new Map([['parameters', parameters]]), topology };
}

/** Reads and verifies the layers of a checkpoint, and none of its tensors. Throws `checkpoint.damaged`. */
export async function readTopologyAt(at: CheckpointPlace): Promise<Uint8Array> {
  const { topology } = await readManifestAt(at);
  return readDescribed(at.fs, join(at.folder, at.place), { spec: topology, keep: true, shared: null });
}

/**
 * Reads the whole checkpoint of the stage (and of its peer, where it has several) with the highest round. It reads the tensors
 * of that checkpoint alone, and of newer ones that prove damaged. Throws `checkpoint.missing`, naming the damaged ones, when
 * none is whole.
 */
export async function readNewestCheckpoint(
  folder: string,
  { stage, peer = MODEL_PEER }: { readonly stage: string; readonly peer?: string },
  fs: FileSystem = nodeFileSystem,
): Promise<CheckpointContent> {
  const found: Manifest[] = [];
  const damage: string[] = [];
  for (const place of await listPlacesOf(fs, folder, stage)) {
    const manifest = await unlessDamaged(damage, () => readManifestAt({ fs, folder, place }));
    if (manifest?.state.peer === peer) found.push(manifest);
  }
  for (const { state } of found.sort(newestFirst)) {
    const content = await unlessDamaged(damage, () => readCheckpoint({ fs, folder, place: placeOf(state) }));
    if (content !== null) return content;
  }
  throw new StillhouseError('checkpoint.missing', [`the stage ${stage} has no whole checkpoint yet`, ...damage].join('; '), {
    file: folder,
  });
}

/** Reads the checkpoint of this round. Throws `checkpoint.missing`, naming the rounds that there are, and `checkpoint.damaged`. */
export async function readCheckpointOf(folder: string, state: StateName, fs: FileSystem = nodeFileSystem): Promise<CheckpointContent> {
  const places = await listPlacesOf(fs, folder, state.stage);
  const place = placeOf(state);
  if (places.includes(place)) return await readCheckpoint({ fs, folder, place });
  const rounds = places.flatMap((other) => {
    const round = Number(other.split(sep)[1]);
    return placeOf({ ...state, round }) === other ? [round] : [];
  });
  const there = rounds.length === 0 ? 'there is none yet' : `there are those of the rounds ${rounds.sort((a, b) => a - b).join(', ')}`;
  throw new StillhouseError('checkpoint.missing', `there is no checkpoint ${place}; ${there}`, { file: folder });
}

type Age = Pick<StoredCheckpoint, 'state' | 'term'>;

/** Sorts checkpoints by round and then by term, the highest first. */
export function newestFirst(a: Age, b: Age): number {
  return b.state.round - a.state.round || b.term - a.term;
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

async function readManifestAt({ fs, folder, place }: CheckpointPlace): Promise<Manifest> {
  const own = join(folder, place);
  if ((await fs.listFolder(own)).includes(DAMAGE_FILE)) {
    throw new StillhouseError('checkpoint.damaged', await readText(fs, join(own, DAMAGE_FILE)));
  }
  const path = join(own, MANIFEST_FILE);
  const manifest = readManifest(await readText(fs, path), path);
  const named = placeOf(manifest.state);
  if (named !== place) throw new StillhouseError('checkpoint.damaged', `is of ${named}, not of ${place}`, { file: path });
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
