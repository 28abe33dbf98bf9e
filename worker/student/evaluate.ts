/** Evaluation: runs rows of a test split through the model, without augmentation. */

import { nextTurn } from '../../src/base/abortable.js';
import { BatchStream } from '../../src/data/loader/batch-stream.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import type { EngineContext } from '../kit/context.js';
import { TEST_ROWS } from '../kit/shared-loader.js';
import type { StageModel } from '../kit/stage-model.js';
import { testView } from '../kit/view.js';

export interface EvaluateOptions {
  readonly context: EngineContext;
  /** The model, with the parameters to test in its program. */
  readonly model: StageModel;
  readonly split: SampleSource;
  /** Rows [start, end) of the split. */
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal;
}

export interface TestResult {
  readonly correct: number;
  readonly count: number;
  readonly lossSum: number;
  /** The time in the model alone. */
  readonly evaluateMs: number;
}

/** Tests the rows and sums over them. Throws the signal's reason when it is cancelled. */
export async function evaluateRows({ context, model, split, start, end, signal }: EvaluateOptions): Promise<TestResult> {
  const view = testView(context.recipe);
  const requests = Array.from({ length: Math.ceil((end - start) / TEST_ROWS) }, (_, batch) => {
    const row = start + batch * TEST_ROWS;
    return { split, view, samples: Int32Array.from({ length: Math.min(TEST_ROWS, end - row) }, (_, i) => row + i) };
  });
  const batches = new BatchStream(context.loaders.for(split), requests);
  let total: TestResult = { correct: 0, count: 0, lossSum: 0, evaluateMs: 0 };
  try {
    for (const { samples } of requests) {
      const { images, labels } = await batches.next();
      const evaluate = () => model.program.evaluate(images, labels, samples.length);
      const { result, elapsedMs } = context.meter.measure(samples.length, evaluate);
      total = {
        correct: total.correct + result.correct,
        count: total.count + result.count,
        lossSum: total.lossSum + result.lossSum,
        evaluateMs: total.evaluateMs + elapsedMs,
      };
      await nextTurn(signal);
    }
  } finally {
    batches.close();
  }
  return total;
}
