/**
 * A model without its numbers: its layers, the name and the shape of each weight in the order of the arena, and the user's
 * metadata. As a file it has the form of a model.json of TensorFlow.js, so the folder of a checkpoint opens in stock tfjs as it
 * is. No tfjs here: src/nn/model-topology.ts makes it from a model, and a model from it.
 *
 * Invariant: a topology that was read has only weights of float32 with sizes that are whole numbers.
 */

import { z } from 'zod';
import { LIMITS } from '../base/limits.js';
import { messageOf } from '../errors/stillhouse-error.js';
import { sizeOf } from './tensor.js';

/** A longer topology is neither written nor read. */
export const TOPOLOGY_BYTES_MAX = 8 * 1024 * 1024;

/** The file that holds the numbers, beside the topology. */
const NUMBERS_FILE = 'parameters.bin';

/** Levels of nesting: a model in a model in a model has about thirty. */
const DEPTH_MAX = 128;
const WEIGHTS_MAX = 65_536;

const weightSchema = z.strictObject({
  name: z.string().min(1).max(1024),
  shape: z.array(z.int().min(0)).max(LIMITS.axes),
  dtype: z.literal('float32'),
});

const topologySchema = z.strictObject({
  format: z.literal('layers-model'),
  generatedBy: z.string().max(LIMITS.textLength),
  convertedBy: z.string().max(LIMITS.textLength).nullable(),
  /** The layers, as tfjs writes them. */
  modelTopology: z.record(z.string(), z.unknown()),
  weightsManifest: z
    .array(z.strictObject({ paths: z.array(z.string()).length(1), weights: z.array(weightSchema).max(WEIGHTS_MAX) }))
    .length(1),
  /** The metadata that the user's model came with. */
  userDefinedMetadata: z.record(z.string(), z.unknown()).optional(),
});

export type ModelTopology = z.infer<typeof topologySchema>;
export type WeightSpec = z.infer<typeof weightSchema>;

/** The parts of a topology that differ between models. */
export interface TopologyParts {
  readonly generatedBy: string;
  readonly modelTopology: Readonly<Record<string, unknown>>;
  /** In the order of the arena. */
  readonly weights: readonly WeightSpec[];
  readonly userDefinedMetadata: Readonly<Record<string, unknown>> | undefined;
}

/** The topology as bytes; when it is too long, the fault in words. Equal models give equal bytes. */
export function writeTopology({ generatedBy, modelTopology, weights, userDefinedMetadata }: TopologyParts): Uint8Array | string {
  const weightsManifest = [{ paths: [NUMBERS_FILE], weights }];
  const text = JSON.stringify({
    ...{ format: 'layers-model', generatedBy, convertedBy: null, modelTopology, weightsManifest },
    ...(userDefinedMetadata === undefined ? {} : { userDefinedMetadata }),
  });
  const bytes = new TextEncoder().encode(text);
  return bytes.length > TOPOLOGY_BYTES_MAX ? tooLong(bytes) : bytes;
}

/** The topology in these bytes, which may come from another machine; when they hold none, the fault in words. */
export function readTopology(bytes: Uint8Array): ModelTopology | string {
  if (bytes.length > TOPOLOGY_BYTES_MAX) return tooLong(bytes);
  let content: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (depthOf(text) > DEPTH_MAX) return `it is nested more than ${DEPTH_MAX} levels deep`;
    content = JSON.parse(text);
  } catch (error) {
    return `it is not JSON: ${messageOf(error)}`;
  }
  const read = topologySchema.safeParse(content);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  return `${issue?.path.map(String).join('.') || 'it'}: ${issue?.message}`;
}

/** The weights of a topology, in the order of the arena. */
export function weightsIn({ weightsManifest }: ModelTopology): readonly WeightSpec[] {
  return weightsManifest.flatMap(({ weights }) => weights);
}

/** The number of elements of the arena of a topology's model. */
export function parameterCountOf(topology: ModelTopology): number {
  return weightsIn(topology).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

function tooLong({ length }: Uint8Array): string {
  return `it has ${length} bytes; at most ${TOPOLOGY_BYTES_MAX} are allowed`;
}

/** The deepest nesting of arrays and objects in a JSON text. One pass, however the text was made. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (isInString && character === '\\') i++;
    else if (character === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth--;
  }
  return deepest;
}
