/**
 * A model's inference as a graph in a session, with the weights as constants of the graph: what TensorFlow then fuses and
 * lays out once is done for every call. For models that do not change: a teacher.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import type { TensorStep } from '../engines/tensor-step.js';
import { messageOf } from '../errors/stillhouse-error.js';
import { toBfloat16 } from './bfloat16.js';
import { buildGraph, type Graph } from './graph.js';
import { BF16_TOLERANCE, FP32_TOLERANCE, relativeError } from './proof.js';
import { TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import { assertSameProgram, imageFeeds, LOGITS, recordInfer } from './step-recording.js';
import type { Precision } from './trace-notice.js';

export interface InferenceTraceOptions {
  readonly step: TensorStep;
  readonly inputShape: readonly number[];
  readonly precision: Precision;
  /** A real batch, [B, H, W, C]. */
  readonly images: Float32Array;
  /** B. */
  readonly size: number;
}

const INFER = 'infer';

/** Records, builds and proves the inference. Throws TraceRefusal. */
export function traceInference(options: InferenceTraceOptions): InferenceTrace {
  const { step, inputShape, precision, images, size } = options;
  const recordOf = (pixels: Float32Array) => recordInfer(step, imageFeeds(pixels, size, inputShape), []);
  const first = recordOf(images);
  assertSameProgram(first.recording, recordOf(images.map((pixel) => 0.9 * pixel + 0.01)).recording);
  const recording = precision === 'bf16' ? toBfloat16(first.recording) : first.recording;
  try {
    const trace = new InferenceTrace(openSession(inferenceGraph(recording)), options);
    const tolerance = precision === 'bf16' ? BF16_TOLERANCE : FP32_TOLERANCE;
    const error = relativeError(present(first.results[LOGITS], LOGITS), trace.infer(images), 1);
    if (error <= tolerance.result) return trace;
    trace.close();
    throw new TraceRefusal(`the replay's logits are off by ${(100 * error).toPrecision(2)} % (precision ${precision})`);
  } catch (error) {
    if (error instanceof TraceRefusal) throw error;
    throw new TraceRefusal(`TensorFlow does not run the graph: ${messageOf(error)}`);
  }
}

/** The graph of a recorded inference, with the one signature `infer`. */
export function inferenceGraph(recording: ReturnType<typeof recordInfer>['recording']): Graph {
  return buildGraph({ functions: { [INFER]: recording }, arenas: {} });
}

/** A proven inference of one batch size. */
export class InferenceTrace {
  readonly #session: Session;
  readonly #inputShape: readonly number[];
  /** B. */
  readonly size: number;

  constructor(session: Session, { inputShape, size }: InferenceTraceOptions) {
    this.#session = session;
    this.#inputShape = inputShape;
    this.size = size;
  }

  /** Logits [B, K] of exactly B images. */
  infer(images: Float32Array): Float32Array {
    const { data } = present(imageFeeds(images, this.size, this.#inputShape).images, 'images');
    return present(this.#session.call(INFER, { images: data })[LOGITS], LOGITS) as Float32Array;
  }

  close(): void {
    this.#session.close();
  }
}
