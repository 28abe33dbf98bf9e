/**
 * One job at a time: a new one calls the old one off and begins when that has ended, so that two never share the model.
 * Invariant: `onError` hears of every failure, but not of a job that was called off.
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

  /** Calls off the job under way and runs this one after it. */
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
