/**
 * A model's inference as a graph in a session, with the weights as constants of the graph: TensorFlow fuses operations and
 * lays out weights once, for every call. For models that do not change: a teacher.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import type { TensorStep } from '../step/tensor-step.js';
import type { Knowledge, KnowledgeSpec } from '../tensor/knowledge.js';
import { precisionOf, toBfloat16 } from './bfloat16.js';
import { nameForFusion } from './fusion.js';
import { buildGraph, type Graph } from './graph.js';
import type { NativeArray } from './native-backend.js';
import { PROOF_TOLERANCE, resultFault } from './proof.js';
import type { RecordedCall } from './record.js';
import type { Recording } from './recording.js';
import { refuseWhatFails, TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import { assertSameProgram, IMAGES, otherImages, readKnowledge, recordAnswer } from './step-recording.js';
import type { Precision } from './trace-notice.js';

export interface InferenceTraceOptions {
  readonly step: TensorStep;
  readonly inputShape: readonly number[];
  readonly precision: Precision;
  /** The knowledge to be answered. */
  readonly specs: readonly KnowledgeSpec[];
  /** A real batch, [B, H, W, C]. */
  readonly images: Float32Array;
  /** B. */
  readonly size: number;
}

const INFER = 'infer';

/** Records, builds and proves the inference. Throws TraceRefusal, and `model.invalid` for specs that the model cannot answer. */
export function traceInference(options: InferenceTraceOptions): InferenceTrace {
  const { precision, images, step, size, specs } = options;
  const shapes = step.shapesOf(specs);
  const others = otherImages(images);
  const [first, second] = [recordFrozen(options, images), recordFrozen(options, others)];
  assertSameProgram(first.recording, second.recording);
  const trace = refuseWhatFails(() => {
    const named = nameForFusion(first.recording);
    const recording = precision === 'bf16' ? toBfloat16(named) : named;
    return new InferenceTrace(openSession(inferenceGraph(recording)), { size, shapes, precision: precisionOf(recording) });
  });
  try {
    const tolerance = PROOF_TOLERANCE[trace.precision];
    for (const [eager, pixels] of [
      [first, images],
      [second, others],
    ] as const) {
      const replay = { results: refuseWhatFails(() => trace.run(pixels)) };
      const fault = resultFault({ eager, replay, tolerance });
      if (fault !== null) throw new TraceRefusal(`${fault} (precision ${trace.precision})`);
    }
    return trace;
  } catch (error) {
    trace.close();
    throw error;
  }
}

function recordFrozen({ step, inputShape, size, specs }: InferenceTraceOptions, images: Float32Array): RecordedCall {
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
  /** The shapes of the answer's tensors, without the batch. */
  readonly shapes: readonly (readonly number[])[];
}

/** A proven inference of one batch size and one list of specs. */
export class InferenceTrace {
  readonly precision: Precision;
  readonly #session: Session;
  readonly #parts: InferenceTraceParts;

  constructor(session: Session, parts: InferenceTraceParts) {
    this.precision = parts.precision;
    this.#session = session;
    this.#parts = parts;
  }

  /** The knowledge of exactly B images. */
  answer(images: Float32Array): Knowledge {
    return readKnowledge(this.run(images), this.#parts.size, this.#parts.shapes);
  }

  /** The results of exactly B images by their names. */
  run(images: Float32Array): Readonly<Record<string, NativeArray>> {
    return this.#session.call(INFER, { [IMAGES]: images });
  }

  close(): void {
    this.#session.close();
  }
}
