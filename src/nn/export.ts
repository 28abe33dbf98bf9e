/** A model as files that stock tfjs opens without this package: `tf.loadLayersModel(<model.json>)`. */

import { io } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { present } from '../base/assert.js';

export interface ExportedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** `model.json` (topology and weights manifest) and `weights.bin`, in memory. Equal parameters give equal bytes. */
export async function serialiseModel(model: LayersModel): Promise<readonly ExportedFile[]> {
  let saved: io.ModelArtifacts | null = null;
  const handler = io.withSaveHandler(async (artifacts) => {
    saved = artifacts;
    return { modelArtifactsInfo: io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await model.save(handler);
  const { modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData } = present<io.ModelArtifacts>(saved, 'saved model');
  const manifest: io.WeightsManifestConfig = [{ paths: ['weights.bin'], weights: weightSpecs ?? [] }];
  const json = JSON.stringify({ format, generatedBy, convertedBy, modelTopology, weightsManifest: manifest });
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(json) },
    { name: 'weights.bin', bytes: new Uint8Array(io.CompositeArrayBuffer.join(weightData)) },
  ];
}
