/**
 * Runs one job at a time. A new job cancels the old one and begins when that has ended, so that two jobs never share the model.
 * Invariant: `onError` is called for every failure, except that of a cancelled job.
 */

export type Job = (signal: AbortSignal) => Promise<void>;

export class JobSlot {
  readonly #onError: (error: unknown) => void;
  #current = new AbortController();
  #last: Promise<void> = Promise.resolve();

  /** `onError` must not throw. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Cancels the job under way, and runs this one after it. */
  replace(job: Job): void {
    this.cancel();
    const { signal } = this.#current;
    this.#last = this.#last.then(() => this.#run(job, signal));
  }

  cancel(): void {
    this.#current.abort();
    this.#current = new AbortController();
  }

  /** Resolves when the last job has ended. */
  idle(): Promise<void> {
    return this.#last;
  }

  async #run(job: Job, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    try {
      await job(signal);
    } catch (error) {
      if (error !== signal.reason) this.#onError(error);
    }
  }
}
