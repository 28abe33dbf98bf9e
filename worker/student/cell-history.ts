/**
 * The memory that a cell has of the others over the rounds of a model: for how long each of them has answered nothing, and whether it is late;
 * and of the pace of the steps. A round may be one step, and over before a cell counts as silent. Pure: it is told the time.
 */

import type { Incarnation } from '../../src/base/ids.js';
import { DATA_TIMING } from '../kit/timing.js';
import { StepPace } from './step-pace.js';

/** A request that got no answer. All times are those of one clock, in milliseconds. */
export interface Unanswered {
  readonly sinceMs: number;
  readonly nowMs: number;
  /** The time that the request had. */
  readonly deadlineMs: number;
}

/** One other cell. */
export class CellRecord {
  /** Whether it was late at the last step. */
  isLate = false;
  #hasGiven = false;
  #silentMs = 0;
  /** Up to here its silence is counted. */
  #countedMs = 0;

  /** Whether it has given its knowledge of a step among the present cells. */
  get hasGiven(): boolean {
    return this.#hasGiven;
  }

  /** The time for which nobody has heard of it. */
  get silentMs(): number {
    return this.#silentMs;
  }

  /** The cells are others now: it builds graphs for a gathered batch of another form, as in its first step. */
  meetsOthers(): void {
    this.#hasGiven = false;
  }

  /** It has refused a request, which is an answer: it is not at the step yet, or not any more. */
  refused(nowMs: number): void {
    this.#silentMs = 0;
    this.#countedMs = nowMs;
  }

  /** It has given its knowledge of a step. */
  gave(nowMs: number): void {
    this.refused(nowMs);
    this.#hasGiven = true;
  }

  /**
   * It has not answered a request. No request is more silence than its deadline: while this process builds graphs in one call, it hears nobody.
   * Time that another request has counted already is not counted again: the last request of a round goes on beside the first of the next.
   */
  missed({ sinceMs, nowMs, deadlineMs }: Unanswered): void {
    const uncountedMs = Math.max(0, nowMs - Math.max(sinceMs, this.#countedMs));
    this.#silentMs += Math.min(uncountedMs, deadlineMs);
    this.#countedMs = nowMs;
  }
}

/** All other cells. */
export class CellHistory {
  readonly pace = new StepPace();
  #records: ReadonlyMap<Incarnation, CellRecord> = new Map();

  /** Begins a round with these cells, and forgets all others. */
  begin(cells: readonly Incarnation[]): void {
    const before = this.#records;
    this.#records = new Map(cells.map((cell) => [cell, before.get(cell) ?? new CellRecord()]));
    if (cells.length === before.size && cells.every((cell) => before.has(cell))) return;
    for (const record of this.#records.values()) record.meetsOthers();
  }

  /** The record of a cell; one that nobody keeps, of a cell that is not in the round: a request of the round before may still be under way. */
  of(cell: Incarnation): CellRecord {
    return this.#records.get(cell) ?? new CellRecord();
  }

  /**
   * Whether the cell counts as one that cannot be reached, where all answers of a step take up to `transferMs`. It may build graphs in one call:
   * for seconds, and for minutes on a busy machine in the first step of these cells, or in the first steps of the model.
   */
  isSilent({ hasGiven, silentMs }: CellRecord, transferMs: number): boolean {
    const mostMs = hasGiven && this.pace.isKnown ? DATA_TIMING.cellSilentMs : DATA_TIMING.firstStepsSilentMs;
    return silentMs >= mostMs + transferMs;
  }
}
