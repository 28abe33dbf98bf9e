/**
 * A teacher's knowledge, requested ahead of its use. With N teachers, up to 2N + 2 views beyond the last one used are
 * requested, and the answers, which come in any order, are given out in order. It knows nothing of sockets: `ask` makes
 * the requests.
 *
 * Invariants: each view is given out once, in order. A request that fails is made again (to another teacher, where
 * there is one) until the stream is closed. A late request is made to a second teacher as well, and the first
 * answer wins. At most two linked teachers are asked for a view at once. A teacher that failed rests before it is asked again.
 */

import { assert } from '../../src/base/assert.js';
import type { Clock, TimerHandle } from '../../src/base/clock.js';
import type { Incarnation } from '../../src/base/ids.js';
import { StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { EngineAddress } from '../../src/protocol/control.js';
import type { Knowledge } from '../../src/tensor/knowledge.js';
import type { SampleView } from '../kit/view.js';

export interface KnowledgeTiming {
  /** A view that is not answered after this time is asked of a second teacher. */
  readonly knowledgeLateMs: number;
  /** A teacher rests for this time after a failure, and twice as long after each further failure in a row. */
  readonly restMs: number;
  readonly restMaxMs: number;
}

export interface KnowledgeStreamOptions {
  readonly views: readonly SampleView[];
  readonly teachers: readonly EngineAddress[];
  readonly clock: Clock;
  readonly timing: KnowledgeTiming;
  /**
   * Requests the knowledge of the view from this teacher. A rejection is a failure of this request, and comes at its own deadline
   * at the latest. A rejection that no other request would mend (FINAL) ends the stream.
   */
  ask(teacher: EngineAddress, view: SampleView): Promise<Knowledge>;
}

/** Failures that another teacher of the same model would repeat. */
const FINAL: readonly ErrorCode[] = ['training.notFinite', 'knowledge.beyondHalf', 'model.invalid'];

interface Item {
  readonly view: SampleView;
  knowledge: Knowledge | null;
  /** The linked teachers that were asked and have not answered yet. */
  readonly asked: Set<Incarnation>;
  askedMs: number;
}

interface Teacher {
  readonly address: EngineAddress;
  unanswered: number;
  failures: number;
  restsUntilMs: number;
}

interface Waiter {
  resolve(knowledge: Knowledge): void;
  reject(error: unknown): void;
}

export class KnowledgeStream {
  readonly #options: KnowledgeStreamOptions;
  /** The views that are not given out yet, in order. */
  readonly #items: Item[];
  readonly #teachers = new Map<Incarnation, Teacher>();
  #waiter: Waiter | null = null;
  #failure: unknown = null;
  #timer: TimerHandle | null = null;
  #isClosed = false;

  constructor(options: KnowledgeStreamOptions) {
    this.#options = options;
    this.#items = options.views.map((view) => ({ view, knowledge: null, asked: new Set(), askedMs: 0 }));
    this.link(options.teachers);
  }

  /** Replaces the list of teachers. Requests to teachers that are no longer listed are made again at once. */
  link(addresses: readonly EngineAddress[]): void {
    const linked = new Map(addresses.map((address) => [address.incarnation, address]));
    for (const incarnation of [...this.#teachers.keys()]) if (!linked.has(incarnation)) this.#unlink(incarnation);
    for (const [incarnation, address] of linked) {
      if (!this.#teachers.has(incarnation)) this.#teachers.set(incarnation, { address, unanswered: 0, failures: 0, restsUntilMs: 0 });
    }
    this.#pump();
  }

  /** The knowledge of the next view. Must not be called again before it settles. Rejects with the error that ended the stream. */
  next(): Promise<Knowledge> {
    assert(this.#waiter === null, 'two wait for the next knowledge');
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#pump();
    });
  }

  /** Stops all requests. A pending `next` never settles. A second call changes nothing. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #unlink(incarnation: Incarnation): void {
    this.#teachers.delete(incarnation);
    for (const { asked } of this.#items) asked.delete(incarnation);
  }

  /** Gives out the knowledge that is ready, requests the views that the window lacks, and sets the timer for the next check. */
  #pump(): void {
    if (this.#isClosed) return;
    this.#giveOut();
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const open = this.#items.slice(0, 2 * this.#teachers.size + 2).filter(({ knowledge }) => knowledge === null);
    for (const item of open) {
      const teacher = this.#wants(item, nowMs) ? this.#choose(item, nowMs) : null;
      if (teacher !== null) void this.#request(item, teacher);
    }
    this.#timer?.cancel();
    const atMs = this.#nextLookMs(open, nowMs);
    this.#timer = Number.isFinite(atMs) ? clock.after(atMs - nowMs, () => this.#pump()) : null;
  }

  #giveOut(): void {
    const knowledge = this.#items[0]?.knowledge ?? null;
    if (this.#waiter === null || (knowledge === null && this.#failure === null)) return;
    const waiter = this.#waiter;
    this.#waiter = null;
    if (knowledge === null) {
      waiter.reject(this.#failure);
      return;
    }
    this.#items.shift();
    waiter.resolve(knowledge);
  }

  #wants({ asked, askedMs }: Item, nowMs: number): boolean {
    return asked.size === 0 || (asked.size === 1 && nowMs - askedMs >= this.#options.timing.knowledgeLateMs);
  }

  /** The rested teacher with the fewest open requests that has not been asked for this view. */
  #choose({ asked }: Item, nowMs: number): Teacher | null {
    let best: Teacher | null = null;
    for (const teacher of this.#teachers.values()) {
      if (asked.has(teacher.address.incarnation) || teacher.restsUntilMs > nowMs) continue;
      if (best === null || teacher.unanswered < best.unanswered) best = teacher;
    }
    return best;
  }

  async #request(item: Item, teacher: Teacher): Promise<void> {
    const { address } = teacher;
    item.asked.add(address.incarnation);
    item.askedMs = this.#options.clock.nowMs();
    teacher.unanswered += 1;
    try {
      const knowledge = await this.#options.ask(address, item.view);
      item.knowledge ??= knowledge;
      teacher.failures = 0;
    } catch (error) {
      if (error instanceof StillhouseError && FINAL.includes(error.code)) this.#failure = error;
      this.#rest(teacher);
    }
    teacher.unanswered -= 1;
    // A teacher may have been unlinked and linked again meanwhile: then this request is not the one that is noted.
    if (this.#teachers.get(address.incarnation) === teacher) item.asked.delete(address.incarnation);
    this.#pump();
  }

  #rest(teacher: Teacher): void {
    const { clock, timing } = this.#options;
    const restMs = Math.min(timing.restMaxMs, timing.restMs * 2 ** teacher.failures);
    teacher.failures += 1;
    teacher.restsUntilMs = clock.nowMs() + restMs;
  }

  /** The time at which a request becomes late or a rested teacher can be asked. */
  #nextLookMs(open: readonly Item[], nowMs: number): number {
    const late = open.filter(({ asked }) => asked.size === 1).map(({ askedMs }) => askedMs + this.#options.timing.knowledgeLateMs);
    const rested = open.length === 0 ? [] : [...this.#teachers.values()].map(({ restsUntilMs }) => restsUntilMs);
    return Math.min(...[...late, ...rested].filter((atMs) => atMs > nowMs));
  }
}
