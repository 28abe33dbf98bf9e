/**
 * The manifest of a checkpoint: its stage and round, the samples that it contains, and the size and hash of each file.
 * It carries a hash of itself, so that a flipped digit in it is found as damage and not read as another checkpoint.
 */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { LIMITS } from '../base/limits.js';
import { StillhouseError } from '../errors/stillhouse-error.js';
import { field, rangesSchema } from '../protocol/field.js';
import { sizeOf } from '../tensor/tensor.js';

export const MANIFEST_FILE = 'manifest.json';
/** A longer manifest is not read. */
export const MANIFEST_BYTES_MAX = 256 * 1024;

const tensorSchema = z
  .strictObject({
    name: z.enum(['parameters', 'slots']),
    dtype: z.literal('float32'),
    shape: z.array(field.count).max(LIMITS.axes),
    file: field.name,
    bytes: field.count,
    sha256: field.hash,
  })
  .refine(({ shape, bytes }) => sizeOf(shape) * 4 === bytes, 'bytes do not fit the shape');

const manifestSchema = z.strictObject({
  format: z.literal(2),
  id: field.checkpoint,
  term: field.term,
  stage: field.name,
  round: field.count,
  /** The samples that the parameters contain, as positions of the stage's order. */
  ranges: rangesSchema,
  /** SHA-256 of the parameters. */
  hash: field.hash,
  /** Hash of the arena's schema. */
  schema: field.hash,
  tensors: z.tuple([tensorSchema, tensorSchema]),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type TensorFile = z.infer<typeof tensorSchema>;

const fileSchema = z.strictObject({ manifest: z.unknown(), sha256: field.hash });

const digest = (manifest: unknown): string => createHash('sha256').update(JSON.stringify(manifest)).digest('hex');

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
  const [parameters, slots] = inner.data.tensors;
  if (parameters.name !== 'parameters' || slots.name !== 'slots') throw damaged('does not list parameters, then slots');
  if (parameters.sha256 !== inner.data.hash) throw damaged('names two hashes for its parameters');
  return inner.data;
}
