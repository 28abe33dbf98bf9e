/**
 * A loaded teacher model and the stage that it teaches: views in, logits out. It owns the model.
 * Axes: B rows, H height, W width, C channels.
 */

import { present } from '../../src/base/assert.js';
import type { TrainingStage } from '../../src/config/schema.js';
import type { Loader, Loading } from '../../src/data/loader/loader.js';
import type { Split } from '../../src/data/split.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { StateName } from '../../src/protocol/state-name.js';
import type { EngineContext } from '../kit/context.js';
import { TEACH_ROWS } from '../kit/shared-loader.js';
import type { StageModel } from '../kit/stage-model.js';
import { type SampleView, trainingView } from '../kit/view.js';
import { InferenceQueue } from './inference-queue.js';

/** Requests that wait for the model. */
const WAITING_MAX = 256;

export interface ServedModelOptions {
  readonly context: EngineContext;
  /** The stage that is taught: its name and recipe. */
  readonly name: string;
  readonly stage: TrainingStage;
  /** What teaches. */
  readonly from: StateName;
  /** Of the stage that teaches, its parameters written. */
  readonly model: StageModel;
  /** The samples of the stage that is taught. */
  readonly split: Split;
}

export class ServedModel {
  readonly stage: string;
  /** What teaches. */
  readonly from: StateName;
  readonly classes: number;
  readonly sampleCount: number;
  /** Rows of one request, at most. */
  readonly rowsMax: number;
  readonly #options: ServedModelOptions;
  readonly #loader: Loader;
  readonly #queue: InferenceQueue;

  constructor(options: ServedModelOptions) {
    const { context, name, model, from, split } = options;
    this.#options = options;
    this.stage = name;
    this.from = from;
    this.classes = model.classes;
    this.sampleCount = split.count;
    this.rowsMax = context.loaders.rowsMax;
    this.#loader = context.loaders.for(split);
    const load = (view: SampleView) => this.#load(view);
    const infer = (loadings: readonly Loading[]) => this.#infer(loadings);
    this.#queue = new InferenceQueue({ rowsMax: TEACH_ROWS, waitingMax: WAITING_MAX, classes: model.classes, load, infer });
  }

  /** Logits [B, classes] of a view of the stage; null when too many requests wait. */
  ask(view: SampleView): Promise<Float32Array> | null {
    return this.#queue.ask(view);
  }

  close(): void {
    this.#queue.fail(new StillhouseError('transport.closed', `stage ${this.stage} is not taught any more`));
    this.#options.model.dispose();
  }

  #load({ epoch, samples }: SampleView): Loading {
    const { context, stage, split } = this.#options;
    const [loading] = this.#loader.request([{ split, view: trainingView(context.recipe, stage, epoch), samples }]);
    return present(loading, 'the batch asked for');
  }

  #infer(loadings: readonly Loading[]): Float32Array {
    const { context, model } = this.#options;
    const { images, labels } = this.#loader.arraysOf(loadings);
    const rows = labels.length;
    return context.meter.measure(rows, () => model.program.predict(images, rows)).result;
  }
}
