/** Opens a model that somebody has saved: the `model.json` of a tf.LayersModel with the files of its weights. */

import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dispose, io, type NamedTensorMap } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { z } from 'zod';
import { hasCode, messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { disposeModel } from './weights.js';

/** The parts of a model.json that are read here; tfjs reads the layers. */
const savedSchema = z.looseObject({
  format: z.string().optional(),
  modelTopology: z.looseObject({}),
  weightsManifest: z.array(z.looseObject({ paths: z.array(z.string()), weights: z.array(z.looseObject({ name: z.string() })) })).min(1),
  userDefinedMetadata: z
    .record(
      z.string(),
      z.custom<object>((value) => value !== undefined),
    )
    .optional(),
});
type Saved = z.infer<typeof savedSchema>;

/**
 * Opens the model with its weights, in stock tfjs; an engine must be open. `path`: the model.json, or the folder that it is in. The caller
 * disposes the model with `disposeModel`. Throws `model.invalid` with the file.
 */
export async function openSavedModel(path: string): Promise<LayersModel> {
  const file = (await isFolder(path)) ? join(path, 'model.json') : path;
  const saved = parse(await read(file, 'the model'), file);
  const weights: Uint8Array[] = [];
  for (const name of saved.weightsManifest.flatMap(({ paths }) => paths))
    weights.push(await read(join(dirname(file), name), 'its weights'));
  const weightData = new Uint8Array(Buffer.concat(weights)).buffer;
  const weightSpecs = saved.weightsManifest.flatMap((group) => group.weights) as unknown as io.WeightsManifestEntry[];
  const [found, needed] = [weightData.byteLength, bytesOf(weightSpecs)];
  if (needed !== null && found !== needed) {
    throw new StillhouseError('model.invalid', `its weights have ${found} bytes, and its list of weights is of ${needed}`, {
      file,
      hint: 'A file is damaged, or of another model: copy or export it again',
    });
  }
  const { modelTopology, userDefinedMetadata } = saved;
  const model = await orInvalid(file, () =>
    loadLayersModel({ load: async () => ({ modelTopology, ...(userDefinedMetadata === undefined ? {} : { userDefinedMetadata }) }) }),
  );
  try {
    await orInvalid(file, async () => writeWeights(model, weightData, weightSpecs));
    return model;
  } catch (error) {
    disposeModel(model);
    throw error;
  }
}

/** The bytes of one number of a weight, by its type. */
const BYTES: Readonly<Record<string, number>> = { float32: 4, int32: 4, bool: 1, complex64: 8, uint8: 1, uint16: 2, float16: 2 };

/** The bytes of weights in a file; null when they have a type whose numbers are of no fixed size. */
function bytesOf(specs: readonly io.WeightsManifestEntry[]): number | null {
  let sum = 0;
  for (const { shape, dtype, quantization } of specs) {
    const each = BYTES[quantization?.dtype ?? dtype];
    if (each === undefined) return null;
    sum += each * shape.reduce((product, axis) => product * axis, 1);
  }
  return sum;
}

/** Writes the weights into the model. A file of model.save may hold those of an optimiser as well. */
function writeWeights(model: LayersModel, data: ArrayBuffer, specs: readonly io.WeightsManifestEntry[]): void {
  const decoded = io.decodeWeights(data, [...specs]);
  try {
    const own = specs.filter(({ group }) => group !== 'optimizer').map(({ name }) => [name, decoded[name]] as const);
    model.loadWeights(Object.fromEntries(own) as NamedTensorMap);
  } finally {
    dispose(decoded);
  }
}

async function orInvalid<T>(file: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw new StillhouseError('model.invalid', `TensorFlow.js cannot open this model: ${messageOf(error)}`, {
      file,
      hint: 'A model can be given that tf.loadLayersModel opens: layers of tfjs alone, and all its weights',
      cause: error,
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

async function read(file: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    const why = hasCode(error, 'ENOENT') ? 'there is no such file' : messageOf(error);
    throw new StillhouseError('model.invalid', `${what} cannot be read: ${why}`, { file, cause: error });
  }
}

function parse(bytes: Uint8Array, file: string): Saved {
  const invalid = (what: string, hint?: string) =>
    new StillhouseError('model.invalid', what, {
      file,
      hint: hint ?? 'Give a model.json that `stillhouse export` or model.save has written',
    });
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw invalid(`this is no model.json: ${messageOf(error)}`);
  }
  if ((json as { format?: unknown } | null)?.format === 'graph-model') {
    throw invalid('this is a graph model, which has no layers to tap or to train', 'Convert it as a layers model (tfjs_layers_model)');
  }
  const saved = savedSchema.safeParse(json);
  if (saved.success) return saved.data;
  const [issue] = saved.error.issues;
  throw invalid(`this is no model.json of a layers model: ${issue?.path.map(String).join('.') || 'it'}: ${issue?.message}`);
}
