/**
 * Merges requests for knowledge: those for the same specs that wait while a batch is in the model go into the next batch
 * together, whichever students they come from. Their pixels are loaded while they wait. It knows nothing of models or sockets.
 *
 * Invariants: a request is answered once, whole, its rows in its own order; a batch has at most `rowsMax` rows, unless
 * one request alone has more; at most `waitingMax` requests wait; every loading is given back.
 */

import { setImmediate } from 'node:timers/promises';
import { present } from '../../src/base/assert.js';
import type { Loading } from '../../src/data/loader/loader.js';
import { type Knowledge, type KnowledgeSpec, specsKey } from '../../src/tensor/knowledge.js';
import type { SampleView } from '../kit/view.js';

export interface InferenceQueueOptions {
  readonly rowsMax: number;
  readonly waitingMax: number;
  /** Asks for the pixels of a view. */
  load(view: SampleView): Loading;
  /** The knowledge of each of these loadings, which are ready and follow each other. */
  infer(loadings: readonly Loading[], specs: readonly KnowledgeSpec[]): readonly Knowledge[];
}

interface Waiting {
  readonly loading: Loading;
  readonly specs: readonly KnowledgeSpec[];
  /** The key is equal for requests that may share a batch. */
  readonly key: string;
  resolve(knowledge: Knowledge): void;
  reject(error: unknown): void;
}

export class InferenceQueue {
  readonly #options: InferenceQueueOptions;
  readonly #waiting: Waiting[] = [];
  #isRunning = false;
  #failure: Error | null = null;

  constructor(options: InferenceQueueOptions) {
    this.#options = options;
  }

  /**
   * The knowledge of a view in the order of the specs; the caller owns its tensors. Null when too many requests wait. Rejects with
   * the errors of `load` and `infer`, and when the pixels cannot be loaded.
   */
  ask(view: SampleView, specs: readonly KnowledgeSpec[]): Promise<Knowledge> | null {
    if (this.#waiting.length >= this.#options.waitingMax) return null;
    return new Promise<Knowledge>((resolve, reject) => {
      this.#waiting.push({ loading: this.#options.load(view), specs, key: specsKey(specs), resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Rejects the requests that wait, and all later ones, with this error: the model must not be used again. */
  fail(error: Error): void {
    this.#failure = error;
    this.#end(this.#waiting.splice(0), error);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      // Requests that have arrived but not been read yet join the batch.
      await setImmediate();
      const batch = this.#takeBatch();
      try {
        for (const { loading } of batch) await loading.ready();
        if (this.#failure !== null) throw this.#failure;
        this.#runBatch(batch);
      } catch (error) {
        this.#end(batch, error);
      }
    }
    this.#isRunning = false;
  }

  /** Takes the first requests that ask for the same specs, fit into a batch, and lie together in memory. */
  #takeBatch(): Waiting[] {
    let rows = 0;
    const fits = ({ loading, key }: Waiting, index: number) => {
      rows += loading.count;
      const previous = this.#waiting[index - 1];
      return previous === undefined || (rows <= this.#options.rowsMax && key === previous.key && loading.follows(previous.loading));
    };
    const tooMany = this.#waiting.findIndex((waiting, index) => !fits(waiting, index));
    return this.#waiting.splice(0, tooMany < 0 ? this.#waiting.length : tooMany);
  }

  #runBatch(batch: readonly Waiting[]): void {
    const [first] = batch;
    if (first === undefined) return;
    const answers = this.#options.infer(
      batch.map(({ loading }) => loading),
      first.specs,
    );
    for (const [i, { loading, resolve }] of batch.entries()) {
      loading.giveBack();
      resolve(present(answers[i], 'the answer to a request'));
    }
  }

  #end(batch: readonly Waiting[], error: unknown): void {
    for (const { loading, reject } of batch) {
      loading.giveBack();
      reject(error);
    }
  }
}
