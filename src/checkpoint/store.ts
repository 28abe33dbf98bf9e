/**
 * A folder of checkpoints, one for each peer and round. A checkpoint is in it whole or not at all: its files are written and
 * synced first, its manifest last, and only then the checkpoint gets its name. Hashes show damage; a damaged checkpoint is
 * named, marked, and not tried again. One call runs at a time. The store does not decide which checkpoints are needed. Only the
 * process that writes to the folder may open it; other processes use read-checkpoint.ts.
 */

import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { RefuseReason } from '../protocol/field.js';
import type { StateName } from '../protocol/state-name.js';
import { HASHED_TENSORS, type StateTensors } from '../tensor/state-tensors.js';
import { type AddFile, discardFolder, sweepFolder, writeFolder } from './atomic-folder.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { MANIFEST_FILE, type Manifest, type TensorFile, TOPOLOGY_FILE, writeManifest } from './manifest.js';
import { listEntries, listPlaces, placeOf, roundFolderOf } from './place.js';
import {
  type CheckpointContent,
  type CheckpointPlace,
  DAMAGE_FILE,
  newestFirst,
  readCheckpoint,
  readTopologyAt,
  type StoredCheckpoint,
} from './read-checkpoint.js';
import { NotFiniteError, sharedHashOf, writeTensor } from './tensor-file.js';

export type PutOutcome =
  | { readonly stored: true; readonly checkpoint: StoredCheckpoint }
  | { readonly stored: false; readonly reason: RefuseReason; readonly message: string };

export interface DamagedCheckpoint {
  /** `<stage>/<round>/<peer>`. */
  readonly place: string;
  readonly message: string;
}

export interface CheckpointStore {
  /**
   * Stores a checkpoint; it is on disk when this resolves. Refuses a checkpoint with a value that is not finite, with a state
   * that does not match its hash, or with an older term than a stored one. A checkpoint that is stored already is accepted
   * again; one of an older term in the same place is replaced. Throws `checkpoint.unwritable` when the disk fails; the
   * checkpoints stored before stay whole.
   */
  put(content: CheckpointContent): Promise<PutOutcome>;
  /** Reads and verifies a checkpoint. Throws `checkpoint.missing`, or `checkpoint.damaged` with file and offset. */
  get(state: StateName): Promise<CheckpointContent>;
  /** The layers of a checkpoint, verified; its tensors are not read. Throws as `get` does. */
  getTopology(state: StateName): Promise<Uint8Array>;
  /** The whole checkpoints, highest round first, and the damaged ones: as found when the store was opened, and by `get` since. */
  list(): { readonly whole: readonly StoredCheckpoint[]; readonly damaged: readonly DamagedCheckpoint[] };
  /**
   * Deletes the checkpoints of the stage's rounds that `keep` does not name, and answers those rounds. Deletes nothing unless
   * one of `keep` is whole, so the last good checkpoint is never deleted.
   */
  retain(stage: string, keep: readonly number[]): Promise<readonly number[]>;
  /** Removes the unfinished and half deleted folders that a crash left. */
  sweep(): Promise<void>;
}

/** Opens a folder of checkpoints and verifies every checkpoint in it. Makes the folder when it is missing. */
export async function openCheckpointStore(folder: string, fs: FileSystem = nodeFileSystem): Promise<CheckpointStore> {
  await fs.makeFolder(folder);
  const store = new FolderStore(folder, fs);
  await store.load();
  return store;
}

class FolderStore implements CheckpointStore {
  readonly #folder: string;
  readonly #fs: FileSystem;
  readonly #whole = new Map<string, StoredCheckpoint>();
  readonly #damaged = new Map<string, string>();
  #newestTerm = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string, fs: FileSystem) {
    this.#folder = folder;
    this.#fs = fs;
  }

  async load(): Promise<void> {
    const fs = this.#fs;
    const folder = this.#folder;
    for (const place of await listPlaces(fs, folder)) {
      try {
        this.#keep((await readCheckpoint({ fs, folder, place }, false)).info);
      } catch (error) {
        await this.#mark(place, error);
      }
    }
  }

  put(content: CheckpointContent): Promise<PutOutcome> {
    return this.#alone(async () => {
      const { state, term, hash } = content.info;
      const place = placeOf(state);
      if (term < this.#newestTerm) return refuse('old-term', `term ${term} is older than the newest stored, ${this.#newestTerm}`);
      const there = this.#whole.get(place);
      if (there?.term === term && there.hash === hash) return { stored: true, checkpoint: there };
      // A stored one of an older term is replaced: after a power cut the journal may have lost the commit, and the round
      // was done again with other results.
      if (there?.term === term) return refuse('failed', `${place} is stored with other contents`);
      try {
        await this.#write(content);
      } catch (error) {
        if (error instanceof NotFiniteError) return refuse('not-finite', `${place}: ${error.message}`);
        if (error instanceof HashError) return refuse('invalid-message', `${place}: ${error.message}`);
        throw new StillhouseError('checkpoint.unwritable', `cannot store: ${messageOf(error)}`, {
          file: join(this.#folder, place),
          hint: 'Check that the disk has room and works; checkpoints stored before are whole',
          cause: error,
        });
      }
      this.#damaged.delete(place);
      this.#keep(content.info);
      return { stored: true, checkpoint: content.info };
    });
  }

  get(state: StateName): Promise<CheckpointContent> {
    return this.#read(state, (at) => readCheckpoint(at, true));
  }

  getTopology(state: StateName): Promise<Uint8Array> {
    return this.#read(state, readTopologyAt);
  }

  #read<T>(state: StateName, read: (at: CheckpointPlace) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      const place = placeOf(state);
      const marked = this.#damaged.get(place);
      if (marked !== undefined) throw new StillhouseError('checkpoint.damaged', marked);
      if (!this.#whole.has(place)) throw new StillhouseError('checkpoint.missing', `no checkpoint ${place}`, { file: this.#folder });
      try {
        return await read({ fs: this.#fs, folder: this.#folder, place });
      } catch (error) {
        await this.#mark(place, error);
        throw error;
      }
    });
  }

  list(): ReturnType<CheckpointStore['list']> {
    const whole = [...this.#whole.values()].sort(newestFirst);
    return { whole, damaged: [...this.#damaged].map(([place, message]) => ({ place, message })) };
  }

  retain(stage: string, keep: readonly number[]): Promise<readonly number[]> {
    return this.#alone(async () => {
      const rounds = new Set([...this.#whole.values()].filter(({ state }) => state.stage === stage).map(({ state }) => state.round));
      if (!keep.some((round) => rounds.has(round))) return [];
      const removed = [...rounds].filter((round) => !keep.includes(round));
      for (const round of removed) {
        for (const [place, { state }] of this.#whole) if (state.stage === stage && state.round === round) this.#whole.delete(place);
        await discardFolder({ fs: this.#fs, parent: join(this.#folder, stage), name: String(round) });
      }
      return removed;
    });
  }

  sweep(): Promise<void> {
    return this.#alone(async () => {
      for (const stage of await listEntries(this.#fs, this.#folder)) {
        const stageFolder = join(this.#folder, stage);
        for (const round of await listEntries(this.#fs, stageFolder)) await this.#sweepFolder(join(stageFolder, round));
        await this.#sweepFolder(stageFolder);
      }
    });
  }

  /** Clears away what is unfinished in a folder, and the folder when nothing else is in it. */
  async #sweepFolder(folder: string): Promise<void> {
    await sweepFolder(this.#fs, folder);
    if ((await this.#fs.listFolder(folder)).length === 0) await this.#fs.remove(folder);
  }

  #keep(checkpoint: StoredCheckpoint): void {
    this.#whole.set(placeOf(checkpoint.state), checkpoint);
    this.#newestTerm = Math.max(this.#newestTerm, checkpoint.term);
  }

  async #write({ info, tensors, topology }: CheckpointContent): Promise<void> {
    const { state, term, ranges, hash, schema } = info;
    const parent = join(this.#folder, roundFolderOf(state));
    // Not with the folders above: where somebody has deleted the run meanwhile, nothing of it is made anew.
    await this.#fs.addFolder(dirname(parent));
    await this.#fs.addFolder(parent);
    // The names of the folders above must outlive a power cut as the checkpoint itself does.
    for (const above of [this.#folder, dirname(parent)]) await this.#fs.syncFolder(above);
    await writeFolder({ fs: this.#fs, parent, name: state.peer }, async (add) => {
      const files = await writeTensors(add, tensors, hash);
      const described = await writeTopologyFile(add, topology);
      const manifest: Manifest = { format: 4, state, term, ranges: [...ranges], hash, schema, topology: described, tensors: files };
      await add(MANIFEST_FILE, new TextEncoder().encode(writeManifest(manifest)));
    });
  }

  /** Takes the checkpoint out of use in this process. Damage is also marked on disk, for later processes; a disk error is not. */
  async #mark(place: string, error: unknown): Promise<void> {
    this.#whole.delete(place);
    this.#damaged.set(place, messageOf(error));
    if (!(error instanceof StillhouseError && error.code === 'checkpoint.damaged')) return;
    const path = join(this.#folder, place, DAMAGE_FILE);
    try {
      await this.#fs.remove(path);
      const file = await this.#fs.create(path);
      await file.write(new TextEncoder().encode(messageOf(error)));
      await file.close();
    } catch (failure) {
      this.#damaged.set(place, `${messageOf(error)} (it could not be marked: ${messageOf(failure)})`);
    }
  }

  /** Runs `task` when all tasks before it have ended. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** Writes the tensors, those that the state's hash is over in its order. Throws {@link HashError} when that is another. */
async function writeTensors(add: AddFile, tensors: StateTensors, hash: string): Promise<TensorFile[]> {
  const shared = sharedHashOf([...tensors.keys()]);
  const files: TensorFile[] = [];
  let own = '';
  for (const [name, values] of tensors) {
    const isShared = HASHED_TENSORS.includes(name);
    const file = await writeTensor(add, name, { values, shared: isShared ? shared : null });
    if (isShared) own = file.sha256;
    files.push(file);
  }
  const found = shared?.digest('hex') ?? own;
  if (found !== hash) throw new HashError(`the state hashes to ${found}, not to ${hash}`);
  return files;
}

async function writeTopologyFile(add: AddFile, topology: Uint8Array): Promise<Manifest['topology']> {
  const hash = createHash('sha256');
  await add(TOPOLOGY_FILE, topology, (chunk) => hash.update(chunk));
  return { file: TOPOLOGY_FILE, bytes: topology.byteLength, sha256: hash.digest('hex') };
}

/** The state is not the one that the hash names. */
class HashError extends Error {
  override readonly name = 'HashError';
}

function refuse(reason: RefuseReason, message: string): PutOutcome {
  return { stored: false, reason, message };
}
