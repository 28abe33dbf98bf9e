/**
 * A checkpoint under way: its tensors are written as their parts come, in their order, and it appears under its name with the manifest, after the
 * last part. It keeps hashes in memory, and none of what is written.
 */

import { createHash, type Hash } from 'node:crypto';
import { present } from '../base/assert.js';
import { elementsOf, type FilledPiece, type StateLayout } from '../tensor/state-parts.js';
import { HASHED_TENSORS } from '../tensor/state-tensors.js';
import { type FolderTarget, UnfinishedFolder } from './atomic-folder.js';
import type { HashedFile } from './chunk-hashes.js';
import { MANIFEST_FILE, type Manifest, type TensorFile, TOPOLOGY_FILE, writeManifest } from './manifest.js';
import type { StoredCheckpoint, VerifiedCheckpoint } from './read-checkpoint.js';
import { sharedHashOf, TensorWriter } from './tensor-file.js';

/** The state is not the one that the hash names. */
export class HashError extends Error {
  override readonly name = 'HashError';
}

export class UnfinishedCheckpoint {
  readonly info: StoredCheckpoint;
  readonly layout: StateLayout;
  /** The number of elements that are on the disk. */
  taken = 0;
  readonly #folder: UnfinishedFolder;
  readonly #shared: Hash | null;
  readonly #writers: ReadonlyMap<string, TensorWriter>;

  constructor(target: FolderTarget, { info, layout }: { readonly info: StoredCheckpoint; readonly layout: StateLayout }) {
    this.info = info;
    this.layout = layout;
    const folder = new UnfinishedFolder(target);
    const shared = sharedHashOf(layout.map(({ name }) => name));
    const isShared = (name: string) => HASHED_TENSORS.includes(name);
    this.#folder = folder;
    this.#shared = shared;
    this.#writers = new Map(layout.map(({ name }) => [name, new TensorWriter(folder, name, isShared(name) ? shared : null)]));
  }

  get isWhole(): boolean {
    return this.taken === elementsOf(this.layout);
  }

  /** Makes the folder. Must be called first. */
  begin(): Promise<void> {
    return this.#folder.begin();
  }

  /** Writes the pieces, which go on from the last ones. They are on the disk when it resolves. Throws {@link NotFiniteError}. */
  async take(pieces: readonly FilledPiece[]): Promise<void> {
    for (const { name, data } of pieces) {
      await present(this.#writers.get(name), name).write(data);
      this.taken += data.length;
    }
  }

  /** Gives the checkpoint its name, when all parts are there. Throws {@link HashError} when the state is not the one that the hash names. */
  async finish(topology: Uint8Array): Promise<VerifiedCheckpoint> {
    const { state, term, ranges, hash, schema } = this.info;
    const files = new Map<string, HashedFile>();
    const tensors: TensorFile[] = [];
    for (const { name, size } of this.layout) {
      const writer = present(this.#writers.get(name), name);
      // A tensor without elements has had no piece.
      if (size === 0) await writer.write(new Float32Array(0));
      const { spec, hashed } = writer.end();
      tensors.push(spec);
      files.set(name, hashed);
    }
    const found = this.#shared?.digest('hex') ?? tensors.find(({ name }) => HASHED_TENSORS.includes(name))?.sha256;
    if (found !== hash) throw new HashError(`the state hashes to ${found}, not to ${hash}`);
    const described = await this.#writeTopology(topology);
    const manifest: Manifest = { format: 4, state, term, ranges: [...ranges], hash, schema, topology: described, tensors };
    await this.#folder.write(MANIFEST_FILE, new TextEncoder().encode(writeManifest(manifest)), { isNew: true });
    await this.#folder.finish();
    return { info: this.info, files };
  }

  /** Removes what is written, if it can. Never rejects. */
  abandon(): Promise<void> {
    return this.#folder.abandon();
  }

  async #writeTopology(topology: Uint8Array): Promise<Manifest['topology']> {
    const hash = createHash('sha256');
    await this.#folder.write(TOPOLOGY_FILE, topology, { isNew: true, onChunk: (chunk) => void hash.update(chunk) });
    return { file: TOPOLOGY_FILE, bytes: topology.byteLength, sha256: hash.digest('hex') };
  }
}
