/**
 * The traced program of a model that does not train: a teacher. The weights are constants of its graphs, so new
 * parameters need new graphs. Requests are padded to a size that has a graph.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import { evaluateLogits } from '../step/score.js';
import type { StepProgram } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import { type Knowledge, LOGITS_SPEC, type OutputSpec, rowsOf, specsKey } from '../tensor/knowledge.js';
import { type InferenceTrace, traceInference } from './inference-trace.js';
import { padBatch } from './pad-batch.js';
import { sizeClass } from './size-class.js';
import { TraceCache, type TraceCacheOptions } from './trace-cache.js';

export interface FrozenProgramParts {
  readonly step: TensorStep;
  /** The same model, run op by op. It holds the parameters. */
  readonly eager: StepProgram;
  readonly options: TraceCacheOptions & { readonly inputShape: readonly [number, number, number] };
}

/** Builds the program. The program disposes `eager` when it is disposed. */
export function buildFrozenProgram({ step, eager, options }: FrozenProgramParts): StepProgram {
  const { inputShape, precision } = options;
  const traces = new TraceCache<InferenceTrace>(options);
  const answer = (images: Float32Array, rows: number, specs: readonly OutputSpec[]): Knowledge => {
    const size = sizeClass(rows);
    const padded = padBatch(images, rows, size);
    const batch = { images: padded, labels: null };
    const make = () => traceInference({ step, inputShape, precision, specs, batch, size });
    const trace = traces.obtain({ call: 'predict', size, form: specsKey(specs) }, make);
    return trace === null ? eager.answer(images, rows, specs) : trace.answer(batch).map((tensor) => rowsOf(tensor, 0, rows));
  };
  const inputGradient: StepProgram['inputGradient'] = (images, labels) => {
    const rows = labels.length;
    const size = sizeClass(rows);
    const padded = new Int32Array(size);
    padded.set(labels);
    const batch = { images: padBatch(images, rows, size), labels: padded };
    const make = () => traceInference({ step, inputShape, precision, specs: null, batch, size });
    const trace = traces.obtain({ call: 'predict', size, form: 'input-gradient' }, make);
    return trace === null ? eager.inputGradient(images, labels) : rowsOf(present(trace.answer(batch)[0], 'the gradient'), 0, rows);
  };
  const predict = (images: Float32Array, size: number) => present(answer(images, size, [LOGITS_SPEC])[0], 'the logits').data;
  return {
    ...eager,
    answer,
    inputGradient,
    predict,
    evaluate: (images, labels, size) => evaluateLogits(predict(images, size), labels, step.classes),
    writeParameters(arena) {
      eager.writeParameters(arena);
      traces.clear();
    },
    dispose() {
      traces.clear();
      eager.dispose();
    },
  };
}
