/**
 * The traced program of a model that does not train: a teacher. The weights are constants of its graphs, so new
 * parameters mean new graphs. Requests are padded to a size that has one.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { evaluateLogits } from '../step/score.js';
import type { StepProgram } from '../step/step-program.js';
import type { TensorStep } from '../step/tensor-step.js';
import { type InferenceTrace, traceInference } from './inference-trace.js';
import { padBatch } from './pad-batch.js';
import { sizeClass } from './size-class.js';
import { TraceCache, type TraceCacheOptions } from './trace-cache.js';

export interface FrozenProgramParts {
  readonly step: TensorStep;
  /** The same model, op by op: it has the parameters. */
  readonly eager: StepProgram;
  readonly options: TraceCacheOptions & { readonly inputShape: readonly [number, number, number] };
}

/** Disposes the eager program with itself. */
export function buildFrozenProgram({ step, eager, options }: FrozenProgramParts): StepProgram {
  const { inputShape, precision } = options;
  const traces = new TraceCache<InferenceTrace>(options);
  const predict = (images: Float32Array, size: number): Float32Array => {
    const padded = padBatch(images, size, sizeClass(size));
    const call = { step, inputShape, precision, images: padded, size: sizeClass(size) };
    const trace = traces.obtain({ call: 'predict', size: call.size }, () => traceInference(call));
    if (trace === null) return eager.predict(images, size);
    return trace.infer(padded).slice(0, size * step.classes);
  };
  return {
    ...eager,
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
