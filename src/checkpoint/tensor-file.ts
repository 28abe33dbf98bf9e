/**
 * One tensor of a checkpoint as a file of raw little-endian floats. The hash is taken while the file is written, and
 * compared while it is read. Both work in chunks, so that the event loop is never held up for long.
 */

import { createHash, type Hash } from 'node:crypto';
import { join } from 'node:path';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { HASHED_TENSORS } from '../tensor/state-tensors.js';
import { type AddFile, CHUNK_BYTES } from './atomic-folder.js';
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

/**
 * Writes `values` as the file of the tensor `name`, and answers its entry for the manifest. Feeds them to `shared` too, where
 * that is given. Throws {@link NotFiniteError}, naming the place, when a value is not finite.
 */
export async function writeTensor(
  add: AddFile,
  name: string,
  { values, shared }: { readonly values: Float32Array; readonly shared: Hash | null },
): Promise<TensorFile> {
  const hash = createHash('sha256');
  const file = fileOf(name);
  let place = 0;
  await add(file, asBytes(values), (chunk) => {
    const end = place + chunk.byteLength / 4;
    for (; place < end; place++) {
      if (!Number.isFinite(values[place])) throw new NotFiniteError(`${name}[${place}] is ${values[place]}`);
    }
    hash.update(chunk);
    shared?.update(chunk);
  });
  return { name, dtype: 'float32', shape: [values.length], file, bytes: values.byteLength, sha256: hash.digest('hex') };
}

/** How a file of a checkpoint is read. */
export interface ReadOptions {
  /** Its description in the manifest. */
  readonly spec: Pick<TensorFile, 'file' | 'bytes' | 'sha256'>;
  /** False: it is only compared, and the array that comes back is empty. */
  readonly keep: boolean;
  /** Fed with what is read, where it is given. */
  readonly shared: Hash | null;
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
  const { spec, keep, shared } = options;
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
    await compare(file, { path, spec, shared, into: keep ? bytes : null });
    return bytes;
  } finally {
    await file.close();
  }
}

async function compare(
  file: ReadableFile,
  { path, spec, shared, into }: { path: string; spec: ReadOptions['spec']; shared: Hash | null; into: Uint8Array | null },
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
  }
  if (hash.digest('hex') === spec.sha256) return;
  throw new StillhouseError('checkpoint.damaged', `bytes 0 to ${spec.bytes} do not match their SHA-256`, {
    file: path,
    offset: 0,
  });
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
