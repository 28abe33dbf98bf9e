/**
 * The lines by which a worker that was started by hand tells a person what it does: welcomed, engine, cell, stage begun and over, a
 * long wait and its reason, the end. It reads the effects of the session in their order, and decides nothing. No line is about a
 * single step or round that goes as usual.
 */

import { MODEL_PEER, spellPeer } from '../../src/config/peer.js';
import type { CoordinatorMessageOf, WorkerMessage, WorkerMessageOf } from '../../src/protocol/control.js';
import type { EngineOrder } from '../kit/orders.js';
import type { Session, SessionEffect } from './session-types.js';
import { WorkerWait } from './worker-wait.js';

/** A coordinator that runs answers sooner. */
const UNANSWERED_MS = 3_000;

export class WorkerLines {
  readonly #role: 'teacher' | 'student';
  readonly #wait: WorkerWait;
  /** The work that was told last: a model and its column. */
  #seat = '';
  #stage: string | null = null;
  /** The rounds of the stage that were committed with this worker's part. */
  #rounds = 0;
  #refusal: string | null = null;
  /** The time of the first hello since it had no coordinator; null while it has one. */
  #askingSinceMs: number | null = null;
  #wasUnanswered = false;
  /** The message of the last failure that was told; null before the first. */
  #failure: string | null = null;
  /** The last line about how its steps run: another model of the stage usually runs alike. */
  #prepared = '';

  constructor(role: 'teacher' | 'student') {
    this.#role = role;
    this.#wait = new WorkerWait(role);
  }

  /** The lines for an effect of the session. `link` is the session's after that event. */
  linesFor(effect: SessionEffect, link: Session['link'], nowMs: number): readonly string[] {
    switch (effect.type) {
      case 'start-engine': {
        const { run, term } = effect.welcome;
        this.#wait.begin({ type: 'nothing' }, nowMs);
        this.#askingSinceMs = null;
        this.#wasUnanswered = false;
        this.#seat = '';
        this.#prepared = '';
        return [`welcomed to the run ${run}${term > 1 ? `, start ${term}` : ''}; its engine starts`];
      }
      case 'tell-engine':
        return this.#onOrder(effect.message, nowMs);
      case 'send':
        return this.#onSend(effect.message, link, nowMs);
      case 'log':
        return onLog(effect);
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
        this.#wait.link({ stage: order.stage, isLinked: order.teachers.length > 0 });
        return [];
      case 'coordinator.serve':
        this.#wait.begin({ type: 'teaching' }, nowMs);
        return [...this.#enter(order.stage), `${order.stage}: loads the model of ${spellPeer(order.from)}`];
      case 'coordinator.commit':
        this.#rounds += 1;
        return this.#wait.begin({ type: 'nothing' }, nowMs);
      case 'coordinator.abandon':
        return [
          ...this.#wait.begin({ type: 'nothing' }, nowMs),
          `its part of round ${order.round} is dropped${this.#unlessTold(order.reason)}`,
        ];
      default:
        return [];
    }
  }

  /** A reason that repeats the failure told last is left out. */
  #unlessTold(reason: string): string {
    return this.#failure !== null && reason.includes(this.#failure) ? '' : `: ${reason}`;
  }

  #onAssign({ base: { state }, work }: CoordinatorMessageOf<'coordinator.assign'>, nowMs: number): string[] {
    const others = work.others.map(({ peer }) => peer);
    const isAlone = others.length === 0 && (work.kind !== 'train' || work.replicas === 1);
    const goesOn = this.#wait.begin({ type: 'work', kind: work.kind, stage: state.stage, others, isAlone }, nowMs);
    const name = spellPeer(state);
    if (work.kind !== 'train') {
      if (this.#stage === state.stage) return goesOn;
      return [...goesOn, ...this.#enter(state.stage), `tests the model of ${name}`];
    }
    const column = state.peer === MODEL_PEER ? '' : `, column ${work.column + 1}, with ${others.join(', ')}`;
    if (this.#seat === name + column) return goesOn;
    this.#seat = name + column;
    return [...goesOn, ...this.#enter(state.stage), `trains ${name}${column}`];
  }

  #onSend(message: WorkerMessage, link: Session['link'], nowMs: number): string[] {
    switch (message.type) {
      case 'worker.hello':
        return this.#onHello(link, nowMs);
      case 'worker.ready':
        return [`its engine ${message.engine} is up; it waits for work`];
      case 'worker.prepared':
        return this.#onPrepared(message);
      case 'worker.serving':
        return [`${message.stage}: answers its students`];
      case 'worker.lost':
        return [`its engine is lost: ${message.message}`];
      case 'worker.failed':
        this.#failure = message.message;
        return [`it could not do its work: ${message.message}`];
      case 'worker.trained': {
        const { round, samples } = message;
        // Without samples no commit follows.
        return this.#wait.begin(samples === 0 ? { type: 'nothing' } : { type: 'reported', round, isAlone: this.#wait.isAlone }, nowMs);
      }
      case 'worker.averaged':
        return this.#wait.begin({ type: 'reported', round: message.round, isAlone: false }, nowMs);
      case 'worker.evaluated':
        // No commit follows.
        return this.#wait.begin({ type: 'nothing' }, nowMs);
      case 'worker.renew':
        return link.phase === 'working' ? this.#wait.renew({ progress: message.progress, heardMs: link.engineHeardMs }, nowMs) : [];
      default:
        return [];
    }
  }

  #onHello(link: Session['link'], nowMs: number): string[] {
    this.#askingSinceMs ??= nowMs;
    if (!this.#wasUnanswered && link.phase === 'joining' && link.refusal === null && nowMs - this.#askingSinceMs >= UNANSWERED_MS) {
      this.#wasUnanswered = true;
      return ['no answer yet, it asks on: is a coordinator running at this address?'];
    }
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

  #enter(stage: string): string[] {
    const over = this.#stage === stage ? [] : this.#stageOver();
    this.#stage = stage;
    return over;
  }

  #stageOver(): string[] {
    const [stage, rounds] = [this.#stage, this.#rounds];
    this.#stage = null;
    this.#rounds = 0;
    // A stage is entered again for a test of its finished model.
    if (stage === null || rounds === 0) return [];
    return [`${stage}: its part is over, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} committed`];
  }
}

/** The reason to join again, without the words of the protocol. */
function whyAgain({ code, reason }: Readonly<Record<string, unknown>>): string {
  if (code === 'old-term') return 'the coordinator was started again';
  return code === 'unknown-incarnation' ? 'the coordinator took it for dead' : String(reason);
}

function onLog({ event, fields }: Extract<SessionEffect, { type: 'log' }>): string[] {
  if (event === 'session.rejoin') return [`joins again: ${whyAgain(fields)}`];
  if (event === 'engine.fetching') return [`nothing is at ${fields.path}: it takes the split ${fields.split} from the coordinator`];
  return [];
}
