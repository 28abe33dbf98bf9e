/**
 * The traces of a program, a few at most: which calls get one, which run eagerly, and which trace makes room.
 *
 * Invariant: `onNotice` hears of each kind, form and size of call once, when it is decided how that runs.
 */

import { TraceRefusal } from './refusal.js';
import type { Precision, TraceNotice } from './trace-notice.js';

/** Traces that a program keeps: each holds the model's state, or its weights. */
const TRACES_MAX = 4;
/** A batch size other than the first is traced when it comes up this often: the last batch of an epoch may never come again. */
const USES_BEFORE_TRACE = 3;
/** And each time that its trace has had to make room, this many times as often: else more sizes than traces would be traced for ever. */
const PATIENCE = 4;

export interface TracedCall extends Pick<TraceNotice, 'call' | 'size'> {
  /** Calls of other forms have traces of their own: the specs that are answered, say. */
  readonly form: string;
}

interface Runnable {
  /** In which it runs. */
  readonly precision: Precision;
  close(): void;
}

const NOTHING_TO_LOWER = 'it has no convolution and no large matrix product that could run in bf16';

export interface TraceCacheOptions {
  readonly precision: Precision;
  onNotice(notice: TraceNotice): void;
}

export class TraceCache<Trace extends Runnable> {
  readonly #options: TraceCacheOptions;
  /** The last used last. */
  readonly #traces = new Map<string, Trace>();
  readonly #refused = new Set<string>();
  readonly #told = new Set<string>();
  /** Eager runs of each call, and how many it takes before it is traced. */
  readonly #uses = new Map<string, number>();
  readonly #usesNeeded = new Map<string, number>();

  constructor(options: TraceCacheOptions) {
    this.#options = options;
  }

  /**
   * The trace for a call; null: it is to run eagerly. `make` throws TraceRefusal. The trace `inUse` is not closed to make
   * room for another.
   */
  obtain({ call, size, form }: TracedCall, make: () => Trace, inUse: Trace | null = null): Trace | null {
    const family = `${call}, ${form}`;
    const key = `${family}: ${size}`;
    const kept = this.#traces.get(key);
    if (kept !== undefined) {
      this.#traces.delete(key);
      this.#traces.set(key, kept);
      return kept;
    }
    if (this.#refused.has(key) || !this.#isWorthTracing(key, family)) return null;
    try {
      const trace = make();
      this.#makeRoom(inUse);
      this.#traces.set(key, trace);
      const { precision } = trace;
      const isAsWished = precision === this.#options.precision;
      this.#tell(key, { call, size, traced: true, precision, ...(isAsWished ? {} : { reason: NOTHING_TO_LOWER }) });
      return trace;
    } catch (error) {
      if (!(error instanceof TraceRefusal)) throw error;
      this.#refused.add(key);
      this.#tell(key, { call, size, traced: false, precision: 'fp32', reason: error.message });
      return null;
    }
  }

  /** The traces that are kept. */
  open(): readonly Trace[] {
    return [...this.#traces.values()];
  }

  /** Closes all traces. A call that was refused stays so. */
  clear(): void {
    for (const trace of this.#traces.values()) trace.close();
    this.#traces.clear();
  }

  #tell(key: string, notice: TraceNotice): void {
    const told = `${key} ${notice.traced}`;
    if (this.#told.has(told)) return;
    this.#told.add(told);
    this.#options.onNotice(notice);
  }

  #isWorthTracing(key: string, family: string): boolean {
    const isFirst = ![...this.#uses.keys()].some((other) => other !== key && other.startsWith(`${family}: `));
    const needed = this.#usesNeeded.get(key) ?? (isFirst ? 1 : USES_BEFORE_TRACE);
    const uses = (this.#uses.get(key) ?? 0) + 1;
    this.#usesNeeded.set(key, needed);
    this.#uses.set(key, uses);
    return uses >= needed;
  }

  #makeRoom(inUse: Trace | null): void {
    if (this.#traces.size < TRACES_MAX) return;
    const oldest = [...this.#traces].find(([, trace]) => trace !== inUse);
    if (oldest === undefined) return;
    const [key, trace] = oldest;
    this.#traces.delete(key);
    this.#uses.set(key, 0);
    this.#usesNeeded.set(key, PATIENCE * Math.max(this.#usesNeeded.get(key) ?? 0, USES_BEFORE_TRACE));
    trace.close();
  }
}
