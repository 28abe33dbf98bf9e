/**
 * A loaded teacher model and the stage that it teaches: views in, logits out. It owns the model.
 * Axes: B rows, H height, W width, C channels.
 */

import type { TrainingStage } from '../../src/config/schema.js';
import { assembleBatch } from '../../src/data/batch.js';
import type { Split } from '../../src/data/split.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { EngineContext } from '../engine/context.js';
import type { StageModel } from '../engine/stage-model.js';
import { type SampleView, trainingView } from '../engine/view.js';
import { InferenceQueue } from './inference-queue.js';

/** Rows of one batch through the model. */
const ROWS_MAX = 256;
/** Requests that wait for the model. */
const WAITING_MAX = 256;

export interface ClassroomOptions {
  readonly context: EngineContext;
  /** The stage that is taught: its name and recipe. */
  readonly name: string;
  readonly stage: TrainingStage;
  readonly checkpoint: string;
  /** Of the stage that teaches, its parameters written. */
  readonly model: StageModel;
  /** The samples of the stage that is taught. */
  readonly split: Split;
}

export class Classroom {
  readonly stage: string;
  /** The stage whose model teaches, and the checkpoint it is from. */
  readonly from: string;
  readonly checkpoint: string;
  readonly classes: number;
  readonly sampleCount: number;
  readonly #options: ClassroomOptions;
  readonly #queue: InferenceQueue;

  constructor(options: ClassroomOptions) {
    const { name, model, checkpoint, split } = options;
    this.#options = options;
    this.stage = name;
    this.from = model.name;
    this.checkpoint = checkpoint;
    this.classes = model.classes;
    this.sampleCount = split.count;
    const infer = (views: readonly SampleView[]) => this.#infer(views);
    this.#queue = new InferenceQueue({ rowsMax: ROWS_MAX, waitingMax: WAITING_MAX, classes: model.classes, infer });
  }

  /** Logits [B, classes] of a view of the stage; null when too many requests wait. */
  ask(view: SampleView): Promise<Float32Array> | null {
    return this.#queue.ask(view);
  }

  close(): void {
    this.#queue.fail(new StillhouseError('transport.closed', `stage ${this.stage} is not taught any more`));
    this.#options.model.dispose();
  }

  #infer(views: readonly SampleView[]): Float32Array {
    const { context, stage, model, split } = this.#options;
    const rows = views.reduce((sum, { samples }) => sum + samples.length, 0);
    const images = new Float32Array(rows * model.imageSize);
    const labels = new Int32Array(rows);
    let row = 0;
    for (const { epoch, samples } of views) {
      const out = { images: images.subarray(row * model.imageSize), labels: labels.subarray(row) };
      assembleBatch({ split, view: trainingView(context.recipe, stage, epoch), samples, out });
      row += samples.length;
    }
    return context.meter.measure(rows, () => model.program.predict(images, rows)).result;
  }
}
