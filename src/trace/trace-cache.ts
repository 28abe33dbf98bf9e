/**
 * The traces of a program, at most four: which calls get one, which run eagerly, and which trace is closed to make room.
 *
 * Invariant: `onNotice` is called once for each kind, form and size of call, when it is decided how the call runs.
 */

import { TraceRefusal } from './refusal.js';
import type { Precision, TraceNotice } from './trace-notice.js';

/** The most traces that a program keeps. Each holds the model's state, or its weights. */
const TRACES_MAX = 4;
/** A batch size other than the first is traced at this use: the last batch of an epoch may never come again. */
const USES_BEFORE_TRACE = 3;
/** Each time that a trace is closed to make room, it needs this many times as many uses. Otherwise more sizes than traces would be traced for ever. */
const PATIENCE = 4;

export interface TracedCall extends Pick<TraceNotice, 'call' | 'size'> {
  /** Calls of other forms have traces of their own; for example other specs. */
  readonly form: string;
  /** The place of its batch in a gathered one, in words. */
  readonly place?: string | undefined;
}

interface Runnable {
  /** The precision in which it runs. */
  readonly precision: Precision;
  /** The reason why it is not lowered to bf16 where it could be; null when there is none. */
  readonly fp32Because?: string | null;
  close(): void;
}

const NOTHING_TO_LOWER = 'it has no convolution and no large matrix product that could run in bf16';

export interface TraceCacheOptions {
  readonly precision: Precision;
  onNotice(notice: TraceNotice): void;
}

export class TraceCache<Trace extends Runnable> {
  readonly #options: TraceCacheOptions;
  /** In the order of last use, the oldest first. */
  readonly #traces = new Map<string, Trace>();
  readonly #refused = new Set<string>();
  readonly #told = new Set<string>();
  /** The eager runs of each call, and the number of runs that it needs before it is traced. */
  readonly #uses = new Map<string, number>();
  readonly #usesNeeded = new Map<string, number>();

  constructor(options: TraceCacheOptions) {
    this.#options = options;
  }

  /**
   * The trace for a call; null when the call is to run eagerly. `make` throws TraceRefusal. The cache owns the trace and closes
   * it, but does not close the trace `inUse` to make room.
   */
  obtain({ call, size, form, place = '' }: TracedCall, make: () => Trace, inUse: Trace | null = null): Trace | null {
    const family = `${call}, ${form}`;
    const key = `${family}: ${size} ${place}`;
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
      const { precision, fp32Because } = trace;
      const isAsWished = precision === this.#options.precision;
      this.#tell(key, { call, size, traced: true, precision, ...(isAsWished ? {} : { reason: fp32Because ?? NOTHING_TO_LOWER }) });
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

  /** Closes all traces. Calls that were refused stay refused. */
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
