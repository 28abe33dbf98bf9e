/**
 * A loaded teacher model and the stage that it teaches: views in, knowledge out. It owns the model.
 */

import { present } from '../../src/base/assert.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import type { TrainingStage } from '../../src/config/schema.js';
import type { Loader, Loading } from '../../src/data/loader/loader.js';
import type { SampleSource } from '../../src/data/sample-source.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import { shapeSourceOf, shapesOf } from '../../src/nn/knowledge-model.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { viewKnowledge } from '../../src/step/batch-knowledge.js';
import type { Knowledge, KnowledgeSpec } from '../../src/tensor/knowledge.js';
import type { EngineContext } from '../kit/context.js';
import { blankAnswer, memoryFault } from '../kit/memory-fault.js';
import { TEACH_ROWS } from '../kit/shared-loader.js';
import type { StageModel } from '../kit/stage-model.js';
import { type SampleView, trainingView } from '../kit/view.js';
import { InferenceQueue } from './inference-queue.js';

/** The most requests that wait for the model. */
const WAITING_MAX = 256;

export interface ServedModelOptions {
  readonly context: EngineContext;
  /** The name and the recipe of the stage that is taught. */
  readonly name: string;
  readonly stage: Pick<TrainingStage, 'augment'>;
  /** The state that teaches. */
  readonly from: StateName;
  /** The model of the stage that teaches, with its parameters written. */
  readonly model: StageModel;
  /** The samples of the stage that is taught. */
  readonly split: SampleSource;
}

export class ServedModel {
  readonly stage: string;
  /** The state that teaches. */
  readonly from: StateName;
  readonly sampleCount: number;
  /** The most rows of one request. */
  readonly rowsMax: number;
  readonly #options: ServedModelOptions;
  readonly #loader: Loader;
  readonly #queue: InferenceQueue;

  constructor(options: ServedModelOptions) {
    const { context, name, from, split } = options;
    this.#options = options;
    this.stage = name;
    this.from = from;
    this.sampleCount = split.count;
    this.rowsMax = context.loaders.rowsMax;
    this.#loader = context.loaders.for(split);
    const load = (view: SampleView) => this.#load(view);
    const infer = (loadings: readonly Loading[], specs: readonly KnowledgeSpec[]) => this.#infer(loadings, specs);
    this.#queue = new InferenceQueue({ rowsMax: TEACH_ROWS, waitingMax: WAITING_MAX, load, infer });
  }

  /** Says why the model cannot answer these specs; null when it can. */
  problemOf(specs: readonly KnowledgeSpec[]): string | null {
    try {
      shapesOf(specs, shapeSourceOf(this.#options.model.model));
      return null;
    } catch (error) {
      if (error instanceof StillhouseError && error.code === 'model.invalid') return error.message;
      throw error;
    }
  }

  /** The knowledge of a view of the stage, in the order of the specs; null when too many requests wait. */
  ask(view: SampleView, specs: readonly KnowledgeSpec[]): Promise<Knowledge> | null {
    return this.#queue.ask(view, specs);
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

  #infer(loadings: readonly Loading[], specs: readonly KnowledgeSpec[]): readonly Knowledge[] {
    const { context, model } = this.#options;
    const { images, labels } = this.#loader.arraysOf(loadings);
    const rows = labels.length;
    const batch = { images, labels, views: loadings.map(({ count }) => count) };
    try {
      return context.meter.measure(rows, () => viewKnowledge(model.program, batch, specs)).result;
    } catch (error) {
      const tryBatch = (size: number) => blankAnswer(model, size, specs);
      const peer = { stage: this.stage, peer: MODEL_PEER };
      throw memoryFault(context, error, { task: 'answer', peer, computing: this.from, model, size: rows, tryBatch });
    }
  }
}
