/** Evaluation: rows of a test split through the model, as they are. */

import { assembleBatch } from '../../src/data/batch.js';
import type { Split } from '../../src/data/split.js';
import { nextTurn } from '../engine/abortable.js';
import type { EngineContext } from '../engine/context.js';
import type { StageModel } from '../engine/stage-model.js';
import { testView } from '../engine/view.js';

const ROWS = 128;

export interface TestOptions {
  readonly context: EngineContext;
  /** With the parameters to test. */
  readonly model: StageModel;
  readonly split: Split;
  /** Rows [start, end) of the split. */
  readonly start: number;
  readonly end: number;
  readonly signal: AbortSignal;
}

export interface TestResult {
  readonly correct: number;
  readonly count: number;
  readonly lossSum: number;
  /** In the model alone. */
  readonly evaluateMs: number;
}

/** Sums over the rows. Throws the signal's reason when it is called off. */
export async function testRows({ context, model, split, start, end, signal }: TestOptions): Promise<TestResult> {
  const images = new Float32Array(ROWS * model.imageSize);
  const labels = new Int32Array(ROWS);
  let total: TestResult = { correct: 0, count: 0, lossSum: 0, evaluateMs: 0 };
  for (let row = start; row < end; row += ROWS) {
    const size = Math.min(ROWS, end - row);
    const samples = Int32Array.from({ length: size }, (_, i) => row + i);
    assembleBatch({ split, view: testView(context.recipe), samples, out: { images, labels } });
    const evaluate = () => model.program.evaluate(images.subarray(0, size * model.imageSize), labels.subarray(0, size), size);
    const { result, elapsedMs } = context.meter.measure(size, evaluate);
    total = {
      correct: total.correct + result.correct,
      count: total.count + result.count,
      lossSum: total.lossSum + result.lossSum,
      evaluateMs: total.evaluateMs + elapsedMs,
    };
    await nextTurn(signal);
  }
  return total;
}
