/**
 * A model's inference as a graph in a session, with the weights as constants of the graph: TensorFlow fuses operations and
 * lays out weights once, for every call. For models that do not change: a teacher.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import type { TensorStep } from '../step/tensor-step.js';
import type { Knowledge, OutputSpec } from '../tensor/knowledge.js';
import { FROM_SMALL_DIFFERENCES, precisionOf, toBfloat16 } from './bfloat16.js';
import { nameForFusion } from './fusion.js';
import { buildGraph, type Graph } from './graph.js';
import type { NativeArray } from './native-backend.js';
import { PROOF_TOLERANCE, resultFault } from './proof.js';
import type { RecordedCall } from './record.js';
import type { Recording } from './recording.js';
import { refuseWhatFails, TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import {
  assertSameProgram,
  IMAGES,
  LABELS,
  otherClasses,
  otherImages,
  readKnowledge,
  recordAnswer,
  recordInputGradient,
} from './step-recording.js';
import type { Precision } from './trace-notice.js';

export interface InferenceTraceOptions {
  readonly step: TensorStep;
  readonly inputShape: readonly number[];
  readonly precision: Precision;
  /** The knowledge to be answered; null for the gradient of the cross-entropy by the images. */
  readonly specs: readonly OutputSpec[] | null;
  /** A real batch. */
  readonly batch: InferenceBatch;
  /** B. */
  readonly size: number;
}

export interface InferenceBatch {
  /** [B, H, W, C]. */
  readonly images: Float32Array;
  /** The classes, [B], which the gradient by the images depends on; null for knowledge that does not. */
  readonly labels: Int32Array | null;
}

const INFER = 'infer';

/** Records, builds and proves the inference. Throws TraceRefusal, and `model.invalid` for specs that the model cannot answer. */
export function traceInference(options: InferenceTraceOptions): InferenceTrace {
  const { precision, batch, step, size, specs } = options;
  const shapes = specs === null ? [options.inputShape] : step.shapesOf(specs);
  const others = { images: otherImages(batch.images), labels: batch.labels && otherClasses(batch.labels, step.classes) };
  const [first, second] = [recordFrozen(options, batch), recordFrozen(options, others)];
  assertSameProgram(first.recording, second.recording);
  const trace = refuseWhatFails(() => {
    const named = nameForFusion(first.recording);
    const recording = precision === 'bf16' && specs !== null ? toBfloat16(named) : named;
    const fp32Because = specs === null ? FROM_SMALL_DIFFERENCES : null;
    return new InferenceTrace(openSession(inferenceGraph(recording)), { size, shapes, precision: precisionOf(recording), fp32Because });
  });
  try {
    const tolerance = PROOF_TOLERANCE[trace.precision];
    for (const [eager, about] of [
      [first, batch],
      [second, others],
    ] as const) {
      const replay = { results: refuseWhatFails(() => trace.run(about)) };
      const fault = resultFault({ eager, replay, tolerance });
      if (fault !== null) throw new TraceRefusal(`${fault} (precision ${trace.precision})`);
    }
    return trace;
  } catch (error) {
    trace.close();
    throw error;
  }
}

function recordFrozen({ step, inputShape, size, specs }: InferenceTraceOptions, { images, labels }: InferenceBatch): RecordedCall {
  if (specs === null) return recordInputGradient({ step, images, labels: present(labels, 'the labels'), inputShape });
  return recordAnswer({ step, images, size, inputShape, specs, frozen: true });
}

/** The graph of a recorded inference, with the one signature `infer`. */
function inferenceGraph(recording: Recording): Graph {
  return buildGraph({ functions: { [INFER]: recording }, arenas: {} });
}

export interface InferenceTraceParts {
  /** B. */
  readonly size: number;
  readonly precision: Precision;
  readonly fp32Because: string | null;
  /** The shapes of the answer's tensors, without the batch. */
  readonly shapes: readonly (readonly number[])[];
}

/** A proven inference of one batch size and one list of specs. */
export class InferenceTrace {
  readonly precision: Precision;
  readonly fp32Because: string | null;
  readonly #session: Session;
  readonly #parts: InferenceTraceParts;

  constructor(session: Session, parts: InferenceTraceParts) {
    this.precision = parts.precision;
    this.fp32Because = parts.fp32Because;
    this.#session = session;
    this.#parts = parts;
  }

  /** The knowledge of exactly B images. */
  answer(batch: InferenceBatch): Knowledge {
    return readKnowledge(this.run(batch), this.#parts.size, this.#parts.shapes);
  }

  /** The results of exactly B images by their names. */
  run({ images, labels }: InferenceBatch): Readonly<Record<string, NativeArray>> {
    return this.#session.call(INFER, labels === null ? { [IMAGES]: images } : { [IMAGES]: images, [LABELS]: labels });
  }

  close(): void {
    this.#session.close();
  }
}
