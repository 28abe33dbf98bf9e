/**
 * A folder of checkpoints, one for each peer and round. A checkpoint is in it whole or not at all: its files are written and
 * synced first, its manifest last, and only then the checkpoint gets its name. Hashes show damage; a damaged checkpoint is
 * named, marked, and not tried again. One call runs at a time. The store does not decide which checkpoints are needed. Only the
 * process that writes to the folder may open it; other processes use read-checkpoint.ts.
 */

import { dirname, join } from 'node:path';
import { assert, present } from '../base/assert.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import type { RefuseReason } from '../protocol/field.js';
import type { StateName } from '../protocol/state-name.js';
import { type ElementRange, elementsOf, type FilledPiece, layoutOf, piecesOf, type StateLayout } from '../tensor/state-parts.js';
import { hasSlotsOf, stateForColumn } from '../tensor/state-tensors.js';
import { discardFolder, sweepFolder } from './atomic-folder.js';
import { type FileSystem, nodeFileSystem } from './file-system.js';
import { listEntries, listPlaces, placeOf, roundFolderOf } from './place.js';
import {
  type CheckpointContent,
  type CheckpointPlace,
  DAMAGE_FILE,
  newestFirst,
  readCheckpoint,
  readModelAt,
  readTopologyAt,
  type StoredCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from './read-checkpoint.js';
import { NotFiniteError, readBytes } from './tensor-file.js';
import { HashError, UnfinishedCheckpoint } from './unfinished-checkpoint.js';

export type PutOutcome =
  | { readonly stored: true; readonly checkpoint: StoredCheckpoint }
  | { readonly stored: false; readonly reason: RefuseReason; readonly message: string };

/** A part of a checkpoint: elements of its tensors, laid end to end in their order. */
export interface CheckpointPart {
  readonly info: StoredCheckpoint;
  /** All tensors of the checkpoint: those of a state, with the state of other replicas' optimisers. */
  readonly layout: StateLayout;
  /** The part's first element, and its pieces (partFromWire of src/tensor/state-parts.ts). They must not change until it is stored. */
  readonly start: number;
  readonly pieces: readonly FilledPiece[];
  /** The layers of the model, with the last part; null with the others. */
  readonly topology: Uint8Array | null;
}

/** `part`: it is on disk, and others have to come. */
export type PartOutcome = PutOutcome | { readonly stored: 'part' };

/** The part of a stored state that is asked for, as the replica of `column` goes on from it (null: one replica, of no column). */
export interface WantedPart extends ElementRange {
  readonly column: number | null;
}

/** A part of a stored state. */
export interface StatePart {
  readonly info: StoredCheckpoint;
  readonly layout: StateLayout;
  /** The caller owns the arrays. */
  readonly pieces: readonly FilledPiece[];
  /** Whether `slots` is that of another column, because the checkpoint has none of the wanted one. */
  readonly hasOthersSlots: boolean;
}

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
  /**
   * Stores a checkpoint part by part, in their order; one call is as `put`, with the last part the checkpoint is whole. The first part drops
   * one under way of the same peer. A part that is there already is accepted again. Refuses one whose parts before are not there.
   */
  putPart(part: CheckpointPart): Promise<PartOutcome>;
  /** Reads and verifies a part of a state. Throws as `get` does. */
  getPart(state: StateName, wanted: WantedPart): Promise<StatePart>;
  /** Reads and verifies a checkpoint. Throws `checkpoint.missing`, or `checkpoint.damaged` with file and offset. */
  get(state: StateName): Promise<CheckpointContent>;
  /** The model alone, verified: the layers and the tensor `parameters`. The rest, which may be much larger, is not read. Throws as `get` does. */
  getModel(state: StateName): Promise<CheckpointContent>;
  /** The layers of a checkpoint, verified; its tensors are not read. Throws as `get` does. */
  getTopology(state: StateName): Promise<Uint8Array>;
  /** The whole checkpoints, highest round first, and the damaged ones: as found when the store was opened, and by `get` since. */
  list(): { readonly whole: readonly StoredCheckpoint[]; readonly damaged: readonly DamagedCheckpoint[] };
  /**
   * Deletes the checkpoints of the stage's rounds that `keep` does not name, and answers those rounds. Deletes nothing unless
   * one of `keep` is whole, so the last good checkpoint is never deleted.
   */
  retain(stage: string, keep: readonly number[]): Promise<readonly number[]>;
  /** Removes the unfinished and half deleted folders, those that a crash left and those of puts under way: their next part is refused. */
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
  readonly #whole = new Map<string, VerifiedCheckpoint>();
  /** At most one for each peer of a stage. */
  readonly #unfinished = new Map<string, UnfinishedCheckpoint>();
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
        this.#keep(await verifyCheckpoint({ fs, folder, place }));
      } catch (error) {
        await this.#mark(place, error);
      }
    }
  }

  async put({ info, tensors, topology }: CheckpointContent): Promise<PutOutcome> {
    const layout = layoutOf(tensors);
    const pieces = piecesOf(layout, { start: 0, end: elementsOf(layout) });
    const filled = pieces.map((piece) => ({ ...piece, data: present(tensors.get(piece.name), piece.name) }));
    const outcome = await this.putPart({ info, layout, start: 0, pieces: filled, topology });
    assert(outcome.stored !== 'part', 'a checkpoint in one part that is not whole');
    return outcome;
  }

  putPart(part: CheckpointPart): Promise<PartOutcome> {
    return this.#alone(async () => {
      const { state, term, hash } = part.info;
      const place = placeOf(state);
      if (term < this.#newestTerm) return refuse('old-term', `term ${term} is older than the newest stored, ${this.#newestTerm}`);
      const there = this.#whole.get(place)?.info;
      if (there?.term === term && there.hash === hash) {
        return part.topology === null ? { stored: 'part' } : { stored: true, checkpoint: there };
      }
      // A stored one of an older term is replaced: after a power cut the journal may have lost the commit, and the round
      // was done again with other results.
      if (there?.term === term) return refuse('failed', `${place} is stored with other contents`);
      try {
        return await this.#writePart(part);
      } catch (error) {
        await this.#drop(state);
        if (error instanceof NotFiniteError) return refuse('not-finite', `${place}: ${error.message}`);
        if (error instanceof HashError) return refuse('invalid-message', `${place}: ${error.message}`);
        throw new StillhouseError('checkpoint.unwritable', `cannot store: ${messageOf(error)}`, {
          file: join(this.#folder, place),
          hint: 'Check that the disk has room and works; checkpoints stored before are whole',
          cause: error,
        });
      }
    });
  }

  async #writePart(part: CheckpointPart): Promise<PartOutcome> {
    const { info, start, pieces, topology } = part;
    const place = placeOf(info.state);
    if (start === 0) await this.#begin(part);
    const under = this.#unfinished.get(peerOf(info.state));
    if (under === undefined || !isOf(under, part) || under.taken < start) {
      return refuse('missing', `${place}: the elements before ${start} are not here; begin with the first part`);
    }
    if (under.taken === start) await under.take(pieces);
    if (topology === null) return { stored: 'part' };
    if (!under.isWhole) return refuse('missing', `${place}: ${under.taken} elements are here, which are not all`);
    const stored = await under.finish(topology);
    this.#unfinished.delete(peerOf(info.state));
    this.#damaged.delete(place);
    this.#keep(stored);
    return { stored: true, checkpoint: stored.info };
  }

  /** Begins a checkpoint, in place of one under way of the same peer. */
  async #begin({ info, layout }: CheckpointPart): Promise<void> {
    const { state } = info;
    await this.#drop(state);
    const parent = join(this.#folder, roundFolderOf(state));
    // Not with the folders above: where somebody has deleted the run meanwhile, nothing of it is made anew.
    await this.#fs.addFolder(dirname(parent));
    await this.#fs.addFolder(parent);
    // The names of the folders above must outlive a power cut as the checkpoint itself does.
    for (const above of [this.#folder, dirname(parent)]) await this.#fs.syncFolder(above);
    const unfinished = new UnfinishedCheckpoint({ fs: this.#fs, parent, name: state.peer }, { info, layout });
    this.#unfinished.set(peerOf(state), unfinished);
    await unfinished.begin();
  }

  /** Drops the checkpoint under way of this peer, if there is one. */
  async #drop(state: StateName): Promise<void> {
    const under = this.#unfinished.get(peerOf(state));
    this.#unfinished.delete(peerOf(state));
    await under?.abandon();
  }

  getPart(state: StateName, { column, start, end }: WantedPart): Promise<StatePart> {
    return this.#read(state, async ({ fs, folder, place }, { info, files: all }) => {
      const files = stateForColumn(all, column);
      const layout = [...files].map(([name, { bytes }]) => ({ name, size: bytes / 4 }));
      const pieces: FilledPiece[] = [];
      for (const piece of piecesOf(layout, { start, end })) {
        const file = present(files.get(piece.name), piece.name);
        const bytes = await readBytes({ fs, folder: join(folder, place) }, file, { start: 4 * piece.start, end: 4 * piece.end });
        pieces.push({ ...piece, data: new Float32Array(bytes.buffer) });
      }
      const lengths = new Map([...all].map(([name, { bytes }]) => [name, { length: bytes / 4 }]));
      return { info, layout, pieces, hasOthersSlots: column !== null && !hasSlotsOf(lengths, column) };
    });
  }

  get(state: StateName): Promise<CheckpointContent> {
    return this.#read(state, (at) => readCheckpoint(at));
  }

  getModel(state: StateName): Promise<CheckpointContent> {
    return this.#read(state, (at) => readModelAt(at));
  }

  getTopology(state: StateName): Promise<Uint8Array> {
    return this.#read(state, readTopologyAt);
  }

  #read<T>(state: StateName, read: (at: CheckpointPlace, stored: VerifiedCheckpoint) => Promise<T>): Promise<T> {
    return this.#alone(async () => {
      const place = placeOf(state);
      const marked = this.#damaged.get(place);
      if (marked !== undefined) throw new StillhouseError('checkpoint.damaged', marked);
      const stored = this.#whole.get(place);
      if (stored === undefined) throw new StillhouseError('checkpoint.missing', `no checkpoint ${place}`, { file: this.#folder });
      try {
        return await read({ fs: this.#fs, folder: this.#folder, place }, stored);
      } catch (error) {
        await this.#mark(place, error);
        throw error;
      }
    });
  }

  list(): ReturnType<CheckpointStore['list']> {
    const whole = [...this.#whole.values()].map(({ info }) => info).sort(newestFirst);
    return { whole, damaged: [...this.#damaged].map(([place, message]) => ({ place, message })) };
  }

  retain(stage: string, keep: readonly number[]): Promise<readonly number[]> {
    return this.#alone(async () => {
      const own = [...this.#whole].filter(([, { info }]) => info.state.stage === stage);
      const rounds = new Set(own.map(([, { info }]) => info.state.round));
      if (!keep.some((round) => rounds.has(round))) return [];
      const removed = [...rounds].filter((round) => !keep.includes(round));
      for (const round of removed) {
        for (const [place, { info }] of own) if (info.state.round === round) this.#whole.delete(place);
        await discardFolder({ fs: this.#fs, parent: join(this.#folder, stage), name: String(round) });
      }
      return removed;
    });
  }

  sweep(): Promise<void> {
    return this.#alone(async () => {
      this.#unfinished.clear();
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

  #keep(stored: VerifiedCheckpoint): void {
    this.#whole.set(placeOf(stored.info.state), stored);
    this.#newestTerm = Math.max(this.#newestTerm, stored.info.term);
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

/** The peer of a stage, of which one checkpoint at a time is under way. */
function peerOf({ stage, peer }: StateName): string {
  return join(stage, peer);
}

/** Whether the part is one of the checkpoint under way. */
function isOf(under: UnfinishedCheckpoint, { info, layout }: CheckpointPart): boolean {
  return JSON.stringify([under.info, under.layout]) === JSON.stringify([info, layout]);
}

function refuse(reason: RefuseReason, message: string): PutOutcome {
  return { stored: false, reason, message };
}
