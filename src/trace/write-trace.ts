/** The graph of a training step as files: a SavedModel that TensorFlow opens, and a listing that people read. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { columnBatchMax } from '../config/batch.js';
import { runEagerly } from '../step/eager-step.js';
import { buildTensorStep } from '../step/tensor-step.js';
import type { Graph } from './graph.js';
import { listGraph } from './listing.js';
import { encodeSavedModel } from './saved-model.js';
import { sampleBatch, sampleKnobs } from './step-recording.js';
import type { TracedStepOptions } from './traced-step.js';
import { traceTraining } from './training-trace.js';

export interface WriteTraceOptions extends Omit<TracedStepOptions, 'onNotice' | 'training'> {
  readonly training: NonNullable<TracedStepOptions['training']>;
  /** The folder of the files. It is made when it does not exist. */
  readonly folder: string;
}

export interface WrittenTrace {
  /** The paths of saved_model.pb and listing.txt. */
  readonly files: readonly string[];
  readonly nodes: number;
  /** The names of the graph's signatures. */
  readonly signatures: readonly string[];
  readonly bytes: number;
}

/**
 * Traces a step of the stage's batch size on made-up images and writes its graph. The model has its parameters again when
 * this returns. Throws TraceRefusal when the step cannot be traced. The engine `tensorflow` must be open.
 */
export function writeTrace({ folder, ...options }: WriteTraceOptions): WrittenTrace {
  const { training, inputShape, precision } = options;
  // A step has each sample of the split once at most.
  const batch = Math.min(columnBatchMax(training.stage.batch), training.samples ?? Number.POSITIVE_INFINITY);
  const step = buildTensorStep(options);
  const eager = runEagerly(step, options);
  let graph!: Graph;
  try {
    const pixels = batch * inputShape.reduce((size, axis) => size * axis, 1);
    const images = Float32Array.from({ length: pixels }, (_, i) => ((i * 7919) % 2003) / 1000 - 1);
    const call = { batch: sampleBatch(step, { images, size: batch }), knobs: sampleKnobs(training) };
    traceTraining({ step, eager, inputShape, form: 'whole', precision, call, onGraph: (proven) => (graph = proven) }).close();
  } finally {
    eager.dispose();
  }
  mkdirSync(folder, { recursive: true });
  const model = encodeSavedModel(graph);
  const files = ['saved_model.pb', 'listing.txt'].map((name) => join(folder, name));
  writeFileSync(files[0]!, model);
  writeFileSync(files[1]!, listGraph(graph));
  return { files, nodes: graph.nodes.length, signatures: Object.keys(graph.signatures), bytes: model.length };
}
