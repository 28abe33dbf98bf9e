/**
 * A model's inference as a graph in a session, with the weights as constants of the graph: what TensorFlow then fuses and
 * lays out once is done for every call. For models that do not change: a teacher.
 * Axes: B batch, H height, W width, C channels, K classes.
 */

import { present } from '../base/assert.js';
import type { TensorStep } from '../step/tensor-step.js';
import { precisionOf, toBfloat16 } from './bfloat16.js';
import { nameForFusion } from './fusion.js';
import { buildGraph, type Graph } from './graph.js';
import { PROOF_TOLERANCE, resultFault } from './proof.js';
import type { RecordedCall } from './record.js';
import type { Recording } from './recording.js';
import { refuseWhatFails, TraceRefusal } from './refusal.js';
import { openSession, type Session } from './session.js';
import { assertSameProgram, IMAGES, LOGITS, otherImages, recordInfer } from './step-recording.js';
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
  const { precision, images } = options;
  const others = otherImages(images);
  const [first, second] = [recordFrozen(options, images), recordFrozen(options, others)];
  assertSameProgram(first.recording, second.recording);
  const trace = refuseWhatFails(() => {
    const named = nameForFusion(first.recording);
    const recording = precision === 'bf16' ? toBfloat16(named) : named;
    return new InferenceTrace(openSession(inferenceGraph(recording)), { size: options.size, precision: precisionOf(recording) });
  });
  try {
    const tolerance = PROOF_TOLERANCE[trace.precision];
    for (const [eager, pixels] of [
      [first, images],
      [second, others],
    ] as const) {
      const replay = { results: { [LOGITS]: refuseWhatFails(() => trace.infer(pixels)) } };
      const fault = resultFault({ eager, replay, tolerance });
      if (fault !== null) throw new TraceRefusal(`${fault} (precision ${trace.precision})`);
    }
    return trace;
  } catch (error) {
    trace.close();
    throw error;
  }
}

function recordFrozen({ step, inputShape, size }: InferenceTraceOptions, images: Float32Array): RecordedCall {
  return recordInfer({ step, images, size, inputShape, frozen: true });
}

/** The graph of a recorded inference, with the one signature `infer`. */
function inferenceGraph(recording: Recording): Graph {
  return buildGraph({ functions: { [INFER]: recording }, arenas: {} });
}

/** A proven inference of one batch size. */
export class InferenceTrace {
  readonly #session: Session;
  /** B. */
  readonly size: number;
  readonly precision: Precision;

  constructor(session: Session, { size, precision }: { readonly size: number; readonly precision: Precision }) {
    this.#session = session;
    this.size = size;
    this.precision = precision;
  }

  /** Logits [B, K] of exactly B images. */
  infer(images: Float32Array): Float32Array {
    return present(this.#session.call(INFER, { [IMAGES]: images })[LOGITS], LOGITS) as Float32Array;
  }

  close(): void {
    this.#session.close();
  }
}
