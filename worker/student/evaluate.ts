/** Evaluation: runs rows of a test split through the model, without augmentation. */

import { nextTurn } from '../../src/base/abortable.js';
import { present } from '../../src/base/assert.js';
import { addSums, type CalibrationSums, calibrationSums, NO_SUMS } from '../../src/base/calibration.js';
import type { PeerName } from '../../src/config/peer.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { isOutOfMemory } from '../../src/engines/out-of-memory.js';
import { countSameClass, evaluateLogits } from '../../src/step/score.js';
import type { EngineContext } from '../kit/context.js';
import { memoryFault } from '../kit/memory-fault.js';
import { TEST_ROWS } from '../kit/shared-loader.js';
import type { StageModel } from '../kit/stage-model.js';
import { testView } from '../kit/view.js';
import type { StepExchange } from './cell-exchange.js';

export interface EvaluateOptions {
  readonly context: EngineContext;
  /** The model, with the parameters to test in its program. */
  readonly model: StageModel;
  /** The stage and the peer that is tested. */
  readonly peer: PeerName;
  readonly split: SampleSource;
  /** Rows [start, end) of the split. */
  readonly start: number;
  readonly end: number;
  /** The exchange with the other cells of the column, which test the same rows; null without any. */
  readonly exchange: ((sizes: readonly number[]) => StepExchange) | null;
  readonly signal: AbortSignal;
}

export interface TestResult {
  readonly correct: number;
  readonly count: number;
  readonly lossSum: number;
  readonly calibration: CalibrationSums;
  /** The time in the model alone. */
  readonly evaluateMs: number;
  /** For each other cell of the column, in order: the number of rows of which both models say the same class. */
  readonly agreed: readonly number[];
}

/** Tests the rows and sums over them, up to the first batch whose loss is not finite. Throws the signal's reason when it is cancelled. */
export async function evaluateRows(options: EvaluateOptions): Promise<TestResult> {
  const { context, model, split, start, end, exchange, signal } = options;
  const view = testView(context.recipe);
  const requests = Array.from({ length: Math.ceil((end - start) / TEST_ROWS) }, (_, batch) => {
    const row = start + batch * TEST_ROWS;
    return { split, view, samples: Int32Array.from({ length: Math.min(TEST_ROWS, end - row) }, (_, i) => row + i) };
  });
  const batches = new BatchStream(context.loaders.for(split), requests);
  const column = exchange?.(requests.map(({ samples }) => samples.length)) ?? null;
  let total: TestResult = { correct: 0, count: 0, lossSum: 0, calibration: NO_SUMS, evaluateMs: 0, agreed: [] };
  try {
    for (const { samples } of requests) {
      const { images, labels } = await batches.next();
      const { result: logits, elapsedMs } = predict(options, images, samples.length);
      const result = evaluateLogits(logits, labels, model.classes);
      total = {
        correct: total.correct + result.correct,
        count: total.count + result.count,
        lossSum: total.lossSum + result.lossSum,
        calibration: total.calibration,
        evaluateMs: total.evaluateMs + elapsedMs,
        agreed: total.agreed,
      };
      // A sum that is not finite stays so. The other cells wait in vain; the caller's error ends the round for them.
      if (!Number.isFinite(total.lossSum)) break;
      total = { ...total, calibration: addSums(total.calibration, calibrationSums(logits, labels, samples[0] ?? 0)) };
      if (column !== null) {
        const own = { shape: [samples.length, model.classes], data: logits };
        const taken = present(await column.exchange([own]), 'the answers in an evaluation, which no cell ends early');
        const same = taken.map((other) => {
          const { data } = present(other?.[0], 'the logits of a cell that was waited for');
          return countSameClass(logits, data, model.classes);
        });
        total = { ...total, agreed: same.map((count, i) => count + (total.agreed[i] ?? 0)) };
      }
      await nextTurn(signal);
    }
  } finally {
    batches.close();
    column?.close();
  }
  return total;
}

/**
 * The logits of a batch, [B, K], and the time that they took. A batch that does not fit into memory is tested in two halves: the batch of
 * a test is no choice of the user's.
 */
function predict(
  options: EvaluateOptions,
  images: Float32Array,
  size: number,
): { readonly result: Float32Array; readonly elapsedMs: number } {
  const { context, model, peer } = options;
  try {
    return context.meter.measure(size, () => model.program.predict(images, size));
  } catch (error) {
    if (size === 1 || !isOutOfMemory(error)) {
      throw memoryFault(context, error, { task: 'test', peer, computing: peer, model, size, tryBatch: () => {} });
    }
  }
  const first = Math.ceil(size / 2);
  const cut = (images.length / size) * first;
  const halves = [predict(options, images.subarray(0, cut), first), predict(options, images.subarray(cut), size - first)];
  const result = new Float32Array(size * model.classes);
  let at = 0;
  for (const half of halves) {
    result.set(half.result, at);
    at += half.result.length;
  }
  return { result, elapsedMs: halves.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) };
}
