/**
 * One tensor of a checkpoint as a file of raw little-endian floats. Its hash, and that of each chunk, are taken while the file is written, and
 * compared while it, or a part of it, is read. All work in chunks, so that the event loop is never held up for long.
 */

import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { present } from '../base/assert.js';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { HASHED_TENSORS } from '../tensor/state-tensors.js';
import { CHUNK_BYTES, type UnfinishedFolder } from './atomic-folder.js';
import { ChunkHashes, type HashedFile } from './chunk-hashes.js';
import type { FileSystem, ReadableFile } from './file-system.js';
import { fileOf, type TensorFile } from './manifest.js';

/**
 * The hash of a state is over several of its tensors where it has adapters: this takes it while they are written or
 * read. Null where the hash of one tensor is that of the state. The tensors must come in the order of HASHED_TENSORS.
 */
export function sharedHashOf(names: readonly string[]): Hash | null {
  return names.filter((name) => HASHED_TENSORS.includes(name)).length > 1 ? createHash('sha256') : null;
}

/** A value is NaN or infinite. A checkpoint may hold only finite values. */
export class NotFiniteError extends Error {
  override readonly name = 'NotFiniteError';
}

/** Writes a tensor as a file of an unfinished checkpoint, piece by piece. */
export class TensorWriter {
  readonly #folder: UnfinishedFolder;
  readonly #name: string;
  readonly #shared: Hash | null;
  readonly #hash = createHash('sha256');
  readonly #chunks = new ChunkHashes();
  #length = 0;
  #isBegun = false;

  /** `shared`, where it is given, is fed with the elements too. */
  constructor(folder: UnfinishedFolder, name: string, shared: Hash | null) {
    this.#folder = folder;
    this.#name = name;
    this.#shared = shared;
  }

  /** Writes the elements after those before; they are on the disk when it resolves. Throws {@link NotFiniteError}, naming the place. */
  async write(values: Float32Array): Promise<void> {
    const before = this.#length;
    let place = 0;
    const onChunk = (chunk: Uint8Array): void => {
      const end = place + chunk.byteLength / 4;
      for (; place < end; place++) {
        if (!Number.isFinite(values[place])) throw new NotFiniteError(`${this.#name}[${before + place}] is ${values[place]}`);
      }
      this.#hash.update(chunk);
      this.#shared?.update(chunk);
      this.#chunks.update(chunk);
    };
    const isNew = !this.#isBegun;
    this.#isBegun = true;
    await this.#folder.write(fileOf(this.#name), asBytes(values), { isNew, onChunk });
    this.#length += values.length;
  }

  /** The file's entry for the manifest, and what a reading of a part of it needs. Nothing may be written any more. */
  end(): { readonly spec: TensorFile; readonly hashed: HashedFile } {
    const file = fileOf(this.#name);
    const bytes = this.#length * 4;
    const spec = { name: this.#name, dtype: 'float32' as const, shape: [this.#length], file, bytes, sha256: this.#hash.digest('hex') };
    return { spec, hashed: { file, bytes, chunks: this.#chunks.end() } };
  }
}

/** How a file of a checkpoint is read. */
export interface ReadOptions {
  /** Its description in the manifest. */
  readonly spec: Pick<TensorFile, 'file' | 'bytes' | 'sha256'>;
  /** False: it is only compared, and the array that comes back is empty. */
  readonly keep: boolean;
  /** Fed with what is read, where they are given. */
  readonly shared: Hash | null;
  readonly chunks?: ChunkHashes | undefined;
}

interface ReadTensorOptions extends ReadOptions {
  readonly spec: TensorFile;
}

/**
 * Reads a tensor and compares it with its manifest. Throws `checkpoint.damaged` with file and offset when they differ.
 * When `keep` is false, it only compares and answers an empty array. The caller owns the array.
 */
export async function readTensor(fs: FileSystem, folder: string, options: ReadTensorOptions): Promise<Float32Array> {
  const bytes = await readDescribed(fs, folder, options);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Reads a file of a checkpoint as {@link readTensor} does. */
export async function readDescribed(fs: FileSystem, folder: string, options: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { spec, keep } = options;
  const path = join(folder, spec.file);
  const file = await openFile(fs, path);
  try {
    // The size is checked before anything is allocated, because a damaged manifest may claim any size.
    if (file.size !== spec.bytes) {
      throw new StillhouseError('checkpoint.damaged', `has ${file.size} bytes instead of ${spec.bytes}`, {
        file: path,
        offset: Math.min(file.size, spec.bytes),
      });
    }
    const bytes = new Uint8Array(keep ? spec.bytes : 0);
    await compare(file, { ...options, path, into: keep ? bytes : null });
    return bytes;
  } finally {
    await file.close();
  }
}

async function compare(
  file: ReadableFile,
  { path, spec, shared, chunks, into }: ReadOptions & { readonly path: string; readonly into: Uint8Array | null },
): Promise<void> {
  const hash = createHash('sha256');
  const scratch = into === null ? new Uint8Array(Math.min(CHUNK_BYTES, spec.bytes)) : null;
  for (let start = 0; start < spec.bytes; start += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, spec.bytes - start);
    const chunk = scratch?.subarray(0, length) ?? into?.subarray(start, start + length) ?? new Uint8Array(length);
    const read = await file.read(chunk);
    if (read < length) throw new StillhouseError('checkpoint.damaged', 'ends too early', { file: path, offset: start + read });
    hash.update(chunk);
    shared?.update(chunk);
    chunks?.update(chunk);
  }
  if (hash.digest('hex') === spec.sha256) return;
  throw new StillhouseError('checkpoint.damaged', `bytes 0 to ${spec.bytes} do not match their SHA-256`, {
    file: path,
    offset: 0,
  });
}

/**
 * Reads the bytes [start, end) of a file, and compares all chunks that they lie in. Throws `checkpoint.damaged` with file and offset when
 * one differs. The caller owns the bytes.
 */
export async function readBytes(
  { fs, folder }: { readonly fs: FileSystem; readonly folder: string },
  { file: name, bytes, chunks }: HashedFile,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(folder, name);
  const into = new Uint8Array(end - start);
  const scratch = new Uint8Array(CHUNK_BYTES);
  const file = await openFile(fs, path);
  try {
    for (let index = Math.floor(start / CHUNK_BYTES); index * CHUNK_BYTES < end; index++) {
      const from = index * CHUNK_BYTES;
      const chunk = scratch.subarray(0, Math.min(CHUNK_BYTES, bytes - from));
      const read = await file.readAt(chunk, from);
      if (read < chunk.byteLength) throw new StillhouseError('checkpoint.damaged', 'ends too early', { file: path, offset: from + read });
      if (createHash('sha256').update(chunk).digest('hex') !== present(chunks[index], 'the hash of a chunk')) {
        const what = `bytes ${from} to ${from + chunk.byteLength} do not match their SHA-256`;
        throw new StillhouseError('checkpoint.damaged', what, { file: path, offset: from });
      }
      into.set(chunk.subarray(Math.max(start - from, 0), Math.min(end - from, chunk.byteLength)), Math.max(from - start, 0));
    }
    return into;
  } finally {
    await file.close();
  }
}

/** Opens a file of a checkpoint. Throws `checkpoint.damaged` when the file is missing, and Node's own error otherwise. */
export async function openFile(fs: FileSystem, path: string): Promise<ReadableFile> {
  try {
    return await fs.open(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw new StillhouseError('checkpoint.damaged', messageOf(error), { file: path, offset: 0, cause: error });
  }
}

const asBytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
