/**
 * The manifest of a checkpoint: its state, the samples that the state contains, and name, size and hash of each tensor.
 * It carries a hash of itself, so that a flipped digit in it is found as damage and not read as another checkpoint.
 */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LIMITS } from '../base/limits.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { field, rangesSchema } from '../protocol/field.js';
import { stateNameSchema } from '../protocol/state-name.js';
import { HASHED_TENSORS, STATE_TENSORS } from '../tensor/state-tensors.js';
import { sizeOf } from '../tensor/tensor.js';

export const MANIFEST_FILE = 'manifest.json';
/** A longer manifest is not read. */
export const MANIFEST_BYTES_MAX = 256 * 1024;

const tensorSchema = z
  .strictObject({
    name: field.name,
    dtype: z.literal('float32'),
    shape: z.array(field.count).max(LIMITS.axes),
    file: field.name,
    bytes: field.count,
    sha256: field.hash,
  })
  .refine(({ shape, bytes }) => sizeOf(shape) * 4 === bytes, 'bytes do not fit the shape')
  .refine(({ name, file }) => file === fileOf(name), 'a tensor in a file of another name');

const manifestSchema = z.strictObject({
  format: z.literal(4),
  state: stateNameSchema,
  term: field.term,
  /** The samples that the parameters contain, as positions of the stage's order. */
  ranges: rangesSchema,
  /** The hash of the state (src/tensor/state-tensors.ts). */
  hash: field.hash,
  /** Hash of the arena's schema. */
  schema: field.hash,
  tensors: z.array(tensorSchema).max(LIMITS.dataFrames - 1),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type TensorFile = z.infer<typeof tensorSchema>;

const fileSchema = z.strictObject({ manifest: z.unknown(), sha256: field.hash });

const digest = (manifest: unknown): string => createHash('sha256').update(JSON.stringify(manifest)).digest('hex');

/** The file that a tensor is in. */
export function fileOf(tensor: string): string {
  return `${tensor}.bin`;
}

/** The text of a manifest file. */
export function writeManifest(manifest: Manifest): string {
  return `${JSON.stringify({ manifest, sha256: digest(manifest) }, null, 1)}\n`;
}

/** Throws `checkpoint.damaged`, naming `file`, unless `text` is a whole and sensible manifest. */
export function readManifest(text: string, file: string): Manifest {
  const damaged = (what: string): StillhouseError => new StillhouseError('checkpoint.damaged', what, { file });
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw damaged('is not JSON');
  }
  const outer = fileSchema.safeParse(content);
  if (!outer.success) throw damaged('is not a manifest with its hash');
  if (digest(outer.data.manifest) !== outer.data.sha256) throw damaged('does not match its own hash');
  const inner = manifestSchema.safeParse(outer.data.manifest);
  if (!inner.success) throw damaged(z.prettifyError(inner.error).replaceAll('\n', ' '));
  const problem = problemOf(inner.data);
  if (problem !== null) throw damaged(problem);
  return inner.data;
}

function problemOf({ tensors, hash }: Manifest): string | null {
  const names = tensors.map(({ name }) => name);
  const missing = STATE_TENSORS.find((name) => !names.includes(name));
  if (missing !== undefined) return `lists no tensor ${missing}`;
  if (new Set(names).size < names.length) return 'lists a tensor twice';
  const shared = tensors.filter(({ name }) => HASHED_TENSORS.includes(name));
  if (shared.some(({ name }, i) => i > 0 && HASHED_TENSORS.indexOf(name) < i)) return 'lists its tensors out of order';
  return shared.length === 1 && shared[0]?.sha256 !== hash ? 'names two hashes for its parameters' : null;
}
