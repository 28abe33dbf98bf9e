/**
 * The long waits of a worker that was started by hand: when one is told to a person, its reason, and when it is over. worker-lines.ts says
 * what the worker does.
 */

import type { Work } from '../../src/protocol/control.js';

/** A wait is told once it has lasted this long. */
const WAIT_TOLD_MS = 5_000;
/** An engine that waits sends several messages per second; one that was silent for this long computes. */
const COMPUTES_MS = 2_000;

/** The thing that a worker does, as far as its agent knows. */
export type Doing =
  | { readonly type: 'nothing' }
  | {
      readonly type: 'work';
      readonly kind: Work['kind'];
      readonly stage: string;
      /** The peers of its column. */
      readonly others: readonly string[];
      /** Whether nobody else has a part in the round. */
      readonly isAlone: boolean;
    }
  /** It has done its part of the round. */
  | { readonly type: 'reported'; readonly round: number; readonly isAlone: boolean }
  | { readonly type: 'teaching' };

/** The links of a student to its teachers, as they came last. Only taught stages have links. */
export interface Links {
  readonly stage: string;
  /** Whether there is a teacher at all. */
  readonly isLinked: boolean;
}

const WORK = 'for work: no stage needs it now; the coordinator says what the run waits for';

/** The waits of one worker. Each call gives the lines to tell. */
export class WorkerWait {
  readonly #role: 'teacher' | 'student';
  #doing: Doing = { type: 'nothing' };
  #links: Links | null = null;
  /** The time since which nothing has moved. */
  #stillSinceMs = 0;
  /** The time since which it does the same thing. */
  #sameSinceMs = 0;
  /** The reason that was told last; null when the wait was not told. */
  #told: string | null = null;
  #progress = 0;

  constructor(role: 'teacher' | 'student') {
    this.#role = role;
  }

  /** Whether it is at work in a round that nobody else has a part in. */
  get isAlone(): boolean {
    return this.#doing.type === 'work' && this.#doing.isAlone;
  }

  /** The teachers of the student have changed. */
  link(links: Links): void {
    this.#links = links;
  }

  /** Something has moved, so a wait is over. A wait that was told goes on while there is nothing to do; its reason may be another. */
  begin(doing: Doing, nowMs: number): string[] {
    this.#doing = doing;
    this.#sameSinceMs = nowMs;
    const wasTold = this.#told !== null;
    if (wasTold && doing.type === 'nothing') return [];
    const waitedMs = nowMs - this.#stillSinceMs;
    this.#told = null;
    this.#stillSinceMs = nowMs;
    return wasTold ? [`goes on after ${Math.round(waitedMs / 1000)} s`] : [];
  }

  /** A renewal is the beat by which waits are measured. `progress`: the batches of the engine so far, which was heard last at `heardMs`. */
  renew({ progress, heardMs }: { readonly progress: number; readonly heardMs: number }, nowMs: number): string[] {
    const doing = this.#doing;
    const hasMoved = progress !== this.#progress || nowMs - heardMs > COMPUTES_MS;
    this.#progress = progress;
    if (doing.type === 'teaching') return [];
    if (doing.type === 'work' && hasMoved) return this.begin(doing, nowMs);
    const reason = this.#reasonOf(doing);
    if (reason === this.#told || nowMs - this.#sameSinceMs < WAIT_TOLD_MS) return [];
    this.#told = reason;
    return [`waits ${reason}`];
  }

  #reasonOf(doing: Exclude<Doing, { type: 'teaching' }>): string {
    if (doing.type === 'nothing') return this.#role === 'teacher' ? 'for a stage that needs a teacher' : WORK;
    if (doing.type === 'reported') {
      return `for the ${doing.isAlone ? 'coordinator' : 'other students'}: its part of round ${doing.round} is done`;
    }
    const cells = doing.others.length === 0 ? [] : [`for the students that train the same images: ${doing.others.join(', ')}`];
    return [...cells, ...this.#teacherOf(doing)].join(', or ') || 'for data';
  }

  /** An evaluation asks no teacher. */
  #teacherOf({ kind, stage }: Extract<Doing, { type: 'work' }>): string[] {
    if (kind !== 'train' || this.#links?.stage !== stage) return [];
    return [this.#links.isLinked ? 'for an answer of a teacher' : 'for a teacher'];
  }
}
