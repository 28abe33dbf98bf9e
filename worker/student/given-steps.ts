/**
 * The knowledge that one cell gives in one round: the last steps, and the requests for steps that are still to come.
 *
 * Invariant: once this cell has ended its column before a step, it gives neither that step nor any later one.
 */

import type { Knowledge } from '../../src/tensor/knowledge.js';

/** The answer about a step. `ended`: the column has ended before it. `over`: the step, or the whole round, is over here. */
export type StepAnswer = Knowledge | 'ended' | 'over';

/** The steps that a cell keeps in lockstep: another cell may be one step behind, and ask again for the step before. */
const STEPS_KEPT = 3;

export class GivenSteps {
  readonly #given = new Map<number, Knowledge>();
  readonly #waiting = new Map<number, ((answer: StepAnswer) => void)[]>();
  #last = 0;
  #kept = STEPS_KEPT;
  #endsBefore = Number.POSITIVE_INFINITY;
  #isOver = false;

  /** Keeps every step of the round. */
  keepAll(): void {
    this.#kept = Number.POSITIVE_INFINITY;
  }

  /** Gives a step, unless the column has ended before it. The arrays must not change any more. */
  give(step: number, knowledge: Knowledge): void {
    if (step >= this.#endsBefore) return;
    this.#last = step;
    this.#given.set(step, knowledge);
    this.#given.delete(step - this.#kept);
    for (const resolve of this.#waiting.get(step) ?? []) resolve(knowledge);
    this.#waiting.delete(step);
  }

  /** The knowledge of this step, once it is given, or why it will not be. */
  answer(step: number): Promise<StepAnswer> {
    if (this.#isOver) return Promise.resolve('over');
    if (step >= this.#endsBefore) return Promise.resolve('ended');
    const given = this.#given.get(step);
    if (given !== undefined || step <= this.#last) return Promise.resolve(given ?? 'over');
    return new Promise((resolve) => this.#waiting.set(step, [...(this.#waiting.get(step) ?? []), resolve]));
  }

  /** The column has ended before this step, which this cell may have given: no cell makes it. */
  endBefore(step: number): void {
    this.#endsBefore = step;
    this.#settle('ended');
  }

  /** The round is over: nobody gets an answer about it any more. */
  close(): void {
    this.#isOver = true;
    this.#settle('over');
    this.#given.clear();
  }

  #settle(answer: StepAnswer): void {
    for (const resolve of [...this.#waiting.values()].flat()) resolve(answer);
    this.#waiting.clear();
  }
}
