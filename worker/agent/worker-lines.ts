/**
 * The lines by which a worker that was started by hand tells a person what it does: welcomed, engine, cell, stage begun and over, a
 * long wait and its reason, the end. It reads the effects of the session in their order, and decides nothing. No line is about a
 * single step or round that goes as usual.
 */

import { MODEL_PEER, spellPeer } from '../../src/config/peer.js';
import type { CoordinatorMessageOf, WorkerMessage, WorkerMessageOf } from '../../src/protocol/control.js';
import type { EngineOrder } from '../kit/orders.js';
import type { Attached, Session, SessionEffect } from './session-types.js';

/** A wait is told once it has lasted this long. */
const WAIT_TOLD_MS = 5_000;
/** An engine that waits sends several messages per second; one that was silent for this long computes. */
const COMPUTES_MS = 2_000;

/** The thing that a worker does, as far as its agent knows. */
type Doing =
  | { readonly type: 'nothing' }
  /** `others`: the peers of its column. */
  | { readonly type: 'work'; readonly stage: string; readonly others: readonly string[] }
  | { readonly type: 'reported'; readonly round: number }
  | { readonly type: 'teaching' };

export class WorkerLines {
  readonly #role: 'teacher' | 'student';
  #doing: Doing = { type: 'nothing' };
  /** The work that was told last: a model and its column. */
  #seat = '';
  #stage: string | null = null;
  /** The rounds of the stage that were committed with this worker's part. */
  #rounds = 0;
  /** The taught stage whose links came last, and whether a teacher is linked to this student. Other stages have no links. */
  #taught: { readonly stage: string; readonly isLinked: boolean } | null = null;
  #refusal: string | null = null;
  /** The last line about how its steps run: another model of the stage usually runs alike. */
  #prepared = '';
  /** The time since which nothing has moved, and whether that was told. */
  #stillSinceMs = 0;
  #isWaitTold = false;
  #progress = 0;

  constructor(role: 'teacher' | 'student') {
    this.#role = role;
  }

  /** The lines for an effect of the session. `link` is the session's after that event. */
  linesFor(effect: SessionEffect, link: Session['link'], nowMs: number): readonly string[] {
    switch (effect.type) {
      case 'start-engine': {
        const { run, term } = effect.welcome;
        this.#begin({ type: 'nothing' }, nowMs);
        this.#seat = '';
        this.#prepared = '';
        return [`welcomed to the run ${run}${term > 1 ? `, start ${term}` : ''}; its engine starts`];
      }
      case 'tell-engine':
        return this.#onOrder(effect.message, nowMs);
      case 'send':
        return this.#onSend(effect.message, link, nowMs);
      case 'log':
        return effect.event === 'session.rejoin' ? [`joins again: ${effect.fields.reason}`] : [];
      case 'exit':
        // The process itself tells an error.
        return effect.code === 0 ? [...this.#stageOver(), effect.reason] : this.#stageOver();
      default:
        return [];
    }
  }

  #onOrder(order: EngineOrder, nowMs: number): string[] {
    switch (order.type) {
      case 'coordinator.assign':
        return this.#onAssign(order, nowMs);
      case 'coordinator.link':
        this.#taught = { stage: order.stage, isLinked: order.teachers.length > 0 };
        return [];
      case 'coordinator.serve':
        this.#begin({ type: 'teaching' }, nowMs);
        return [...this.#enter(order.stage), `${order.stage}: loads the model of ${spellPeer(order.from)}`];
      case 'coordinator.commit':
        this.#rounds += 1;
        return this.#begin({ type: 'nothing' }, nowMs);
      case 'coordinator.abandon':
        return [...this.#begin({ type: 'nothing' }, nowMs), `its part of round ${order.round} is dropped: ${order.reason}`];
      default:
        return [];
    }
  }

  #onAssign({ base: { state }, work }: CoordinatorMessageOf<'coordinator.assign'>, nowMs: number): string[] {
    const others = work.kind === 'export' ? [] : work.others.map(({ peer }) => peer);
    const goesOn = this.#begin({ type: 'work', stage: state.stage, others }, nowMs);
    const name = spellPeer(state);
    if (work.kind !== 'train') {
      if (this.#stage === state.stage && work.kind === 'evaluate') return goesOn;
      return [
        ...goesOn,
        ...this.#enter(state.stage),
        work.kind === 'export' ? `exports the model of ${name}` : `tests the model of ${name}`,
      ];
    }
    const column = state.peer === MODEL_PEER ? '' : `, column ${work.column + 1}, with ${others.join(', ')}`;
    if (this.#seat === name + column) return goesOn;
    this.#seat = name + column;
    return [...goesOn, ...this.#enter(state.stage), `trains ${name}${column}`];
  }

  #onSend(message: WorkerMessage, link: Session['link'], nowMs: number): string[] {
    switch (message.type) {
      case 'worker.hello':
        return this.#onHello(link);
      case 'worker.ready':
        return [`its engine ${message.engine} is up; it waits for work`];
      case 'worker.prepared':
        return this.#onPrepared(message);
      case 'worker.serving':
        return [`${message.stage}: answers its students`];
      case 'worker.lost':
        return [`its engine is lost: ${message.message}`];
      case 'worker.failed':
        return [`it could not do its work: ${message.message}`];
      case 'worker.trained':
      case 'worker.averaged':
        return this.#begin({ type: 'reported', round: message.round }, nowMs);
      case 'worker.evaluated':
        // No commit follows.
        return this.#begin({ type: 'nothing' }, nowMs);
      case 'worker.renew':
        return link.phase === 'working' ? this.#onRenew(message, link, nowMs) : [];
      default:
        return [];
    }
  }

  #onHello(link: Session['link']): string[] {
    const refusal = link.phase === 'joining' ? link.refusal : null;
    const isNews = refusal !== null && refusal !== this.#refusal;
    this.#refusal = refusal;
    return isNews ? [`is refused, and asks again: ${refusal}`] : [];
  }

  #onPrepared({ stage, traced, precision, threads, note }: WorkerMessageOf<'worker.prepared'>): string[] {
    const does = this.#role === 'teacher' ? 'answers' : 'trains';
    const how = `${traced ? 'by graphs' : 'op by op'}, ${precision}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    const line = `${stage}: ${does} ${how}${note === null ? '' : `: ${note}`}`;
    const isNews = line !== this.#prepared;
    this.#prepared = line;
    return isNews ? [line] : [];
  }

  /** A renewal is the beat by which waits are measured. */
  #onRenew({ progress }: WorkerMessageOf<'worker.renew'>, { engineHeardMs }: Attached, nowMs: number): string[] {
    const doing = this.#doing;
    const hasMoved = progress !== this.#progress || nowMs - engineHeardMs > COMPUTES_MS;
    this.#progress = progress;
    if (doing.type === 'teaching') return [];
    if (doing.type === 'work' && hasMoved) return this.#begin(doing, nowMs);
    if (this.#isWaitTold || nowMs - this.#stillSinceMs < WAIT_TOLD_MS) return [];
    this.#isWaitTold = true;
    return [`waits ${this.#reasonOf(doing)}`];
  }

  #reasonOf(doing: Exclude<Doing, { type: 'teaching' }>): string {
    if (doing.type === 'reported') return `for the other students: its part of round ${doing.round} is done`;
    if (doing.type === 'nothing' && this.#role === 'teacher') return 'for a stage that needs a teacher';
    if (doing.type === 'nothing') return 'for work: every cell has a student, or the run lacks a worker; the coordinator says which';
    const cells = doing.others.length === 0 ? [] : [`for the other cells of its column: ${doing.others.join(', ')}`];
    const teacher = this.#taught?.stage !== doing.stage ? [] : [this.#taught.isLinked ? 'for an answer of a teacher' : 'for a teacher'];
    return [...cells, ...teacher].join(', or ') || 'for data';
  }

  /** Something has moved, so a wait is over. A wait that was told goes on while there is nothing to do. */
  #begin(doing: Doing, nowMs: number): string[] {
    this.#doing = doing;
    const wasTold = this.#isWaitTold;
    if (wasTold && doing.type === 'nothing') return [];
    const waitedMs = nowMs - this.#stillSinceMs;
    this.#isWaitTold = false;
    this.#stillSinceMs = nowMs;
    return wasTold ? [`goes on after ${Math.round(waitedMs / 1000)} s`] : [];
  }

  #enter(stage: string): string[] {
    const over = this.#stage === stage ? [] : this.#stageOver();
    this.#stage = stage;
    return over;
  }

  #stageOver(): string[] {
    const [stage, rounds] = [this.#stage, this.#rounds];
    this.#stage = null;
    this.#rounds = 0;
    if (stage === null || this.#role === 'teacher') return [];
    return [`${stage}: its part is over, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} committed`];
  }
}
