/**
 * The pace of the steps of a column, by which a cell knows when another one is late. Pure: it gets the durations of steps, and
 * knows no clock.
 */

/** The steps that are remembered. */
const STEPS = 64;
/** Before so many steps nobody is late: the first ones build graphs. */
const STEPS_LEAST = 8;
/** A cell is late after so many times the median step. */
const LATE_FACTOR = 5;
/** And not before this time: a process may be off its processor for as long. */
const LATE_LEAST_MS = 250;

export class StepPace {
  readonly #durations: number[] = [];

  /** Enters the duration of a step in milliseconds, with its wait for the other cells. */
  add(durationMs: number): void {
    this.#durations.push(durationMs);
    if (this.#durations.length > STEPS) this.#durations.shift();
  }

  /** Whether enough steps are known to tell what is usual. */
  get isKnown(): boolean {
    return this.#durations.length >= STEPS_LEAST;
  }

  /**
   * The time that a cell waits for the others before they count as late, in milliseconds; null while too few steps are known. `ownMs`:
   * what this cell's own part of the step took: where that is slow, the machine is.
   */
  lateAfterMs(ownMs: number): number | null {
    if (!this.isKnown) return null;
    const sorted = [...this.#durations].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    return Math.max(LATE_LEAST_MS, LATE_FACTOR * Math.max(median, ownMs));
  }
}
