/**
 * A folder of checkpoints. A checkpoint is in it whole or not at all: its files are written and synced first, its
 * manifest last, and only then the checkpoint gets its name. Hashes show damage; a damaged checkpoint is named, marked,
 * and not tried again. One call runs at a time. The store does not decide which checkpoints are needed. Only the process
 * that writes to the folder may open it; other processes use read-checkpoint.ts.
 */

import { join } from 'node:path';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { RefuseReason } from '../protocol/field.js';
import { discardFolder, sweepFolder, writeFolder } from './atomic-folder.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { MANIFEST_FILE, type Manifest, writeManifest } from './manifest.js';
import {
  type CheckpointContent,
  DAMAGE_FILE,
  listCheckpoints,
  newestFirst,
  readCheckpoint,
  type StoredCheckpoint,
} from './read-checkpoint.js';
import { NotFiniteError, writeTensor } from './tensor-file.js';

export type PutOutcome =
  | { readonly stored: true; readonly checkpoint: StoredCheckpoint }
  | { readonly stored: false; readonly reason: RefuseReason; readonly message: string };

export interface DamagedCheckpoint {
  readonly id: string;
  readonly message: string;
}

export interface CheckpointStore {
  /**
   * Stores a checkpoint; it is on disk when this resolves. Refuses a checkpoint with a value that is not finite, with
   * parameters that do not match its hash, or with an older term than a stored one. A checkpoint that is stored already
   * is accepted again; one of an older term under the same id is replaced. Throws `checkpoint.unwritable` when the disk
   * fails; the checkpoints stored before stay whole.
   */
  put(content: CheckpointContent): Promise<PutOutcome>;
  /** Reads and verifies a checkpoint. Throws `checkpoint.missing`, or `checkpoint.damaged` with file and offset. */
  get(id: string): Promise<CheckpointContent>;
  /** The whole checkpoints, highest round first, and the damaged ones: as found when the store was opened, and by `get` since. */
  list(): { readonly whole: readonly StoredCheckpoint[]; readonly damaged: readonly DamagedCheckpoint[] };
  /**
   * Deletes the stage's checkpoints that `keep` does not name, and answers their ids. Deletes nothing unless one of
   * `keep` is whole, so the last good checkpoint is never deleted.
   */
  retain(stage: string, keep: readonly string[]): Promise<readonly string[]>;
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
    for (const id of await listCheckpoints(fs, folder)) {
      try {
        this.#keep((await readCheckpoint({ fs, folder, id }, false)).info);
      } catch (error) {
        await this.#mark(id, error);
      }
    }
  }

  put(content: CheckpointContent): Promise<PutOutcome> {
    return this.#alone(async () => {
      const { id, term, hash } = content.info;
      if (term < this.#newestTerm) return refuse('old-term', `term ${term} is older than the newest stored, ${this.#newestTerm}`);
      const there = this.#whole.get(id);
      if (there?.hash === hash) return { stored: true, checkpoint: there };
      // A stored one of an older term is replaced: after a power cut the journal may have lost the commit, and the round
      // was done again with other results.
      if (there?.term === term) return refuse('failed', `${id} is stored with other contents`);
      try {
        await this.#write(content);
      } catch (error) {
        if (error instanceof NotFiniteError) return refuse('not-finite', `${id}: ${error.message}`);
        if (error instanceof HashError) return refuse('invalid-message', `${id}: ${error.message}`);
        throw new StillhouseError('checkpoint.unwritable', `cannot store: ${messageOf(error)}`, {
          file: join(this.#folder, id),
          hint: 'Check that the disk has room and works; checkpoints stored before are whole',
          cause: error,
        });
      }
      this.#damaged.delete(id);
      this.#keep(content.info);
      return { stored: true, checkpoint: content.info };
    });
  }

  get(id: string): Promise<CheckpointContent> {
    return this.#alone(async () => {
      const marked = this.#damaged.get(id);
      if (marked !== undefined) throw new StillhouseError('checkpoint.damaged', marked);
      if (!this.#whole.has(id)) throw new StillhouseError('checkpoint.missing', `no checkpoint ${id}`, { file: this.#folder });
      try {
        return await readCheckpoint({ fs: this.#fs, folder: this.#folder, id }, true);
      } catch (error) {
        await this.#mark(id, error);
        throw error;
      }
    });
  }

  list(): ReturnType<CheckpointStore['list']> {
    const whole = [...this.#whole.values()].sort(newestFirst);
    return { whole, damaged: [...this.#damaged].map(([id, message]) => ({ id, message })) };
  }

  retain(stage: string, keep: readonly string[]): Promise<readonly string[]> {
    return this.#alone(async () => {
      if (!keep.some((id) => this.#whole.has(id))) return [];
      const removed: string[] = [];
      for (const { id } of [...this.#whole.values()].filter((checkpoint) => checkpoint.stage === stage && !keep.includes(checkpoint.id))) {
        this.#whole.delete(id);
        await discardFolder({ fs: this.#fs, parent: this.#folder, name: id });
        removed.push(id);
      }
      return removed;
    });
  }

  sweep(): Promise<void> {
    return this.#alone(() => sweepFolder(this.#fs, this.#folder));
  }

  #keep(checkpoint: StoredCheckpoint): void {
    this.#whole.set(checkpoint.id, checkpoint);
    this.#newestTerm = Math.max(this.#newestTerm, checkpoint.term);
  }

  async #write({ info, parameters, slots }: CheckpointContent): Promise<void> {
    const { id, term, stage, round, ranges, hash, schema } = info;
    await writeFolder({ fs: this.#fs, parent: this.#folder, name: id }, async (add) => {
      const first = await writeTensor(add, 'parameters', parameters);
      if (first.sha256 !== hash) throw new HashError(`the parameters hash to ${first.sha256}, not to ${hash}`);
      const second = await writeTensor(add, 'slots', slots);
      const manifest: Manifest = { format: 2, id, term, stage, round, ranges: [...ranges], hash, schema, tensors: [first, second] };
      await add(MANIFEST_FILE, new TextEncoder().encode(writeManifest(manifest)));
    });
  }

  /** Takes the checkpoint out of use in this process. Damage is also marked on disk, for later processes; a disk error is not. */
  async #mark(id: string, error: unknown): Promise<void> {
    this.#whole.delete(id);
    this.#damaged.set(id, messageOf(error));
    if (!(error instanceof StillhouseError && error.code === 'checkpoint.damaged')) return;
    const path = join(this.#folder, id, DAMAGE_FILE);
    try {
      await this.#fs.remove(path);
      const file = await this.#fs.create(path);
      await file.write(new TextEncoder().encode(messageOf(error)));
      await file.close();
    } catch (failure) {
      this.#damaged.set(id, `${messageOf(error)} (it could not be marked: ${messageOf(failure)})`);
    }
  }

  /** Runs `task` when all tasks before it have ended. */
  #alone<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** The parameters are not the ones that the hash names. */
class HashError extends Error {
  override readonly name = 'HashError';
}

function refuse(reason: RefuseReason, message: string): PutOutcome {
  return { stored: false, reason, message };
}
