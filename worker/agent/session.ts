/**
 * The session of an agent with the coordinator, as a pure machine: it takes one event and the time, and answers a new state
 * and effects. agent.ts delivers the events and performs the effects, in order.
 *
 *   joining   sends hello, repeatedly; --welcome--> starting; --refused for good, or deadline--> over
 *   starting  the engine of this incarnation opens; --worker.ready--> working
 *   working   orders pass to the engine, its reports pass to the coordinator
 *   draining  has asked to leave; works on until the coordinator sends stop (it may want a checkpoint), or the deadline
 *   over      the exit effect is out
 *
 *   starting, working --engine crashed or stuck--> joining: every engine is an incarnation of its own
 *   starting, working --refused, or coordinator silent--> joining: the coordinator has begun a new term, or is gone
 *   any --coordinator.stop--> over
 *
 * Invariants: at most one engine is alive, and only in starting, working and draining; only messages of the present term
 * and incarnation pass in either direction; an engine's number is never used again.
 */

import { assertNever } from '../../src/base/assert.js';
import { EXIT } from '../../src/errors/table.js';
import { describeEngineEnd } from '../../src/process/engine-end.js';
import type { CoordinatorMessage, CoordinatorMessageOf } from '../../src/protocol/control.js';
import { cutText, type RefuseReason } from '../../src/protocol/field.js';
import { PROTOCOL_VERSION } from '../../src/protocol/version.js';
import type { FromEngine } from '../engine/engine-message.js';
import type { Attached, Joining, Session, SessionEffect, SessionEvent, SessionPlan, SessionTransition } from './session-types.js';

const NO_PROGRESS: Attached['progress'] = { progress: 0, images: 0, busyMs: 0, dataBytes: 0, batchMs: null };

/** The first transition of a new agent: it sends its first hello. */
export function startSession(plan: SessionPlan, nowMs: number): SessionTransition {
  const state: Session = { plan, link: { phase: 'over' }, engines: 0, losses: 0, memoryLosses: 0, controlBytes: 0 };
  return withWake(join(state, nowMs, []));
}

/** The transition for one event. Events of an engine that has ended, and messages to another incarnation, change nothing. */
export function stepSession(state: Session, event: SessionEvent, nowMs: number): SessionTransition {
  if (state.link.phase === 'over') return { state, effects: [] };
  return withWake(onEvent(state, event, nowMs));
}

function onEvent(state: Session, event: SessionEvent, nowMs: number): SessionTransition {
  switch (event.type) {
    case 'control':
      return onControl(state, event.message, nowMs);
    case 'engine':
      return onEngine(state, event, nowMs);
    case 'engine-exit':
      return onEngineExit(state, event, nowMs);
    case 'tick':
      return onTick({ ...state, controlBytes: event.controlBytes }, nowMs);
    case 'checkpoint':
      return onCheckpoint(state);
    case 'stop':
      return onStop(state, event.reason, nowMs);
    default:
      return assertNever(event, 'session event');
  }
}

// --- messages of the coordinator

function onControl(state: Session, message: CoordinatorMessage, nowMs: number): SessionTransition {
  if (message.type === 'coordinator.welcome') return onWelcome(state, message, nowMs);
  if (message.type === 'refuse') return onRefuse(state, message, nowMs);
  const link = attached(state);
  if (link === null || message.term !== link.welcome.term || message.incarnation !== link.welcome.incarnation) return same(state);
  const heard: Session = { ...state, link: { ...link, heardMs: nowMs } };
  switch (message.type) {
    case 'coordinator.renewed':
      return same(heard);
    case 'coordinator.stop':
      return onEnd(heard, message);
    default:
      return { state: heard, effects: [{ type: 'tell-engine', engine: link.engine, message }] };
  }
}

/** The end of the run, or of this worker's part in it. */
function onEnd(state: Session, { outcome, message }: CoordinatorMessageOf<'coordinator.stop'>): SessionTransition {
  // Another start would find the same memory.
  const failed = attached(state)?.isOutOfMemory ? EXIT.usage : EXIT.failed;
  return end(state, outcome === 'failed' ? failed : EXIT.done, `the run is over for this worker (${outcome}): ${message}`);
}

function onWelcome(state: Session, welcome: CoordinatorMessageOf<'coordinator.welcome'>, nowMs: number): SessionTransition {
  const link = attached(state);
  if (link !== null && !isNewer(welcome, link.welcome)) return same(state);
  if (link?.phase === 'draining') return same(state);
  const engine = state.engines + 1;
  const next: Attached = {
    phase: 'starting',
    welcome,
    engine,
    engineName: null,
    heardMs: nowMs,
    engineHeardMs: nowMs,
    nextRenewMs: nowMs + welcome.renewEveryMs,
    progress: NO_PROGRESS,
    controlBytesBefore: state.controlBytes,
    isOutOfMemory: false,
    drainUntilMs: Number.POSITIVE_INFINITY,
  };
  return {
    state: { ...state, link: next, engines: engine },
    effects: [
      ...killed(state),
      logged('info', 'session.welcomed', { run: welcome.run, term: welcome.term, incarnation: welcome.incarnation }),
      { type: 'start-engine', engine, welcome },
    ],
  };
}

/** Two hellos of one agent can get two welcomes; the newer one is valid. */
function isNewer(a: CoordinatorMessageOf<'coordinator.welcome'>, b: CoordinatorMessageOf<'coordinator.welcome'>): boolean {
  return a.term > b.term || (a.term === b.term && a.incarnation > b.incarnation);
}

/** The reasons for which another hello would be refused again. */
const FINAL_REASONS: readonly RefuseReason[] = ['protocol-version', 'schema-mismatch', 'unknown-peer'];

function onRefuse(state: Session, refuse: Extract<CoordinatorMessage, { type: 'refuse' }>, nowMs: number): SessionTransition {
  const { reason, message } = refuse;
  if (reason === 'run-over') return end(state, EXIT.done, message);
  if (state.link.phase === 'joining') {
    if (refuse.of !== 'worker.hello') return same(state);
    const isNews = message !== state.link.refusal;
    // A person reads the message alone: it is the reason of the exit, or of a line of the worker.
    const effects = isNews ? [logged('info', 'session.refused', { of: refuse.of, reason, message })] : [];
    if (!FINAL_REASONS.includes(reason)) {
      const isTaken = reason === 'name-taken' && isNews;
      const untilMs = isTaken ? Math.min(state.link.untilMs, nowMs + state.plan.timing.takenMs) : state.link.untilMs;
      return { state: { ...state, link: { ...state.link, refusal: message, untilMs } }, effects };
    }
    const over = end(state, EXIT.usage, message);
    return { ...over, effects: [...effects, ...over.effects] };
  }
  if (state.link.phase === 'over') return same(state);
  if (reason !== 'unknown-incarnation' && reason !== 'old-term') {
    return { state, effects: [logged('warn', 'session.refused', { of: refuse.of, reason, message })] };
  }
  if (state.link.phase === 'draining') return end(state, EXIT.done, message);
  return join(state, nowMs, [...killed(state), logged('info', 'session.rejoin', { reason: message, code: reason })]);
}

// --- messages and end of the engine

function onEngine(state: Session, { engine, message }: { engine: number; message: FromEngine }, nowMs: number): SessionTransition {
  const link = attached(state);
  if (link === null || !isCurrent(state, engine)) return same(state);
  const heard: Attached = { ...link, engineHeardMs: nowMs };
  switch (message.type) {
    case 'engine.opening':
      return same({ ...state, link: { ...heard, engineName: message.engine } });
    case 'engine.fetching': {
      const { split, path } = message;
      return { state: { ...state, link: heard }, effects: [logged('info', message.type, { split, path })] };
    }
    case 'engine.progress': {
      const { type: _type, ...progress } = message;
      return same({ ...state, link: { ...heard, progress } });
    }
    case 'engine.unusable': {
      const lost = { ...identity(link), type: 'worker.lost', code: message.code, message: cutText(message.message) } as const;
      const over = end(state, message.exitCode, message.message);
      return { ...over, effects: [{ type: 'send', message: lost }, ...over.effects] };
    }
    default: {
      const isReady = message.type === 'worker.ready' && link.phase === 'starting';
      const isOutOfMemory = heard.isOutOfMemory || (message.type === 'worker.failed' && message.code === 'engine.outOfMemory');
      const next: Attached = { ...heard, phase: isReady ? 'working' : heard.phase, isOutOfMemory };
      return { state: { ...state, link: next }, effects: [{ type: 'send', message }] };
    }
  }
}

function onEngineExit(
  state: Session,
  { engine, end: how, sign = null }: Extract<SessionEvent, { type: 'engine-exit' }>,
  nowMs: number,
): SessionTransition {
  const link = attached(state);
  if (link === null || !isCurrent(state, engine)) return same(state);
  const message = describeEngineEnd(how, link.engineName, sign);
  if (sign === null || link.phase === 'draining') return onLoss(state, { code: 'engine.crashed', message }, nowMs);
  const memoryLosses = state.memoryLosses + 1;
  if (memoryLosses <= state.plan.timing.memoryLossesMax)
    return onLoss({ ...state, memoryLosses }, { code: 'engine.crashed', message }, nowMs);
  const lost = { ...identity(link), type: 'worker.lost', code: 'engine.outOfMemory', message: cutText(message) } as const;
  const over = end({ ...state, link: { phase: 'over' } }, EXIT.usage, message);
  return { ...over, effects: [{ type: 'send', message: lost }, logged('error', lost.code, { message }), ...over.effects] };
}

/** The engine crashed or is stuck: the coordinator is told at once, and the agent joins again as a new incarnation. */
function onLoss(
  state: Session,
  { code, message }: { readonly code: 'engine.crashed' | 'engine.stuck'; readonly message: string },
  nowMs: number,
): SessionTransition {
  const link = attached(state);
  if (link === null) return same(state);
  if (link.phase === 'draining') return end(state, EXIT.done, message);
  const losses = state.losses + 1;
  const effects: SessionEffect[] = [
    ...(code === 'engine.stuck' ? killed(state) : []),
    { type: 'send', message: { ...identity(link), type: 'worker.lost', code, message: cutText(message) } },
    logged('error', code, { message, losses }),
  ];
  if (losses <= state.plan.timing.lossesMax) return join({ ...state, losses }, nowMs, effects);
  const over = end({ ...state, link: { phase: 'over' } }, EXIT.failed, `${losses} engines were lost, the last because ${message}`);
  return { ...over, effects: [...effects, ...over.effects] };
}

// --- time

function onTick(state: Session, nowMs: number): SessionTransition {
  switch (state.link.phase) {
    case 'joining':
      return onJoiningTick(state, state.link, nowMs);
    case 'starting':
    case 'working':
    case 'draining':
      return onAttachedTick(state, state.link, nowMs);
    case 'over':
      return same(state);
    default:
      return assertNever(state.link, 'session phase');
  }
}

function onJoiningTick(state: Session, link: Joining, nowMs: number): SessionTransition {
  if (nowMs >= link.untilMs) {
    if (link.refusal !== null) return end(state, EXIT.usage, `the coordinator still refuses this worker: ${link.refusal}`);
    return end(state, EXIT.tryAgain, `no answer from the coordinator for ${state.plan.timing.joinMs} ms`);
  }
  if (nowMs < link.nextHelloMs) return same(state);
  const helloEveryMs = Math.min(2 * link.helloEveryMs, state.plan.timing.helloMaxMs);
  return { state: { ...state, link: { ...link, helloEveryMs, nextHelloMs: nowMs + helloEveryMs } }, effects: [hello(state.plan)] };
}

function onAttachedTick(state: Session, link: Attached, nowMs: number): SessionTransition {
  const { timing } = state.plan;
  if (nowMs >= link.drainUntilMs) return end(state, EXIT.done, 'it has left; the coordinator did not answer');
  if (nowMs >= link.heardMs + timing.silentLeases * link.welcome.leaseMs) {
    if (link.phase === 'draining') return end(state, EXIT.done, 'it has left; the coordinator is silent');
    return join(state, nowMs, [...killed(state), logged('info', 'session.rejoin', { reason: 'the coordinator is silent' })]);
  }
  const budgetMs = engineBudgetMs(state, link);
  if (nowMs >= link.engineHeardMs + budgetMs) {
    return onLoss(state, { code: 'engine.stuck', message: `the engine was silent for ${Math.round(budgetMs)} ms, its budget` }, nowMs);
  }
  if (nowMs < link.nextRenewMs) return same(state);
  const { batchMs: _batchMs, ...counters } = link.progress;
  const controlBytes = state.controlBytes - link.controlBytesBefore;
  return {
    state: { ...state, link: { ...link, nextRenewMs: nowMs + link.welcome.renewEveryMs } },
    effects: [{ type: 'send', message: { ...identity(link), type: 'worker.renew', ...counters, controlBytes } }],
  };
}

/** The time that the engine may be silent. It sends several messages per second, except while it computes a batch. */
function engineBudgetMs({ plan: { timing } }: Session, { progress }: Attached): number {
  return progress.batchMs === null ? timing.firstBudgetMs : Math.max(timing.budgetFloorMs, timing.budgetFactor * progress.batchMs);
}

function dueMs(state: Session): number {
  switch (state.link.phase) {
    case 'joining':
      return Math.min(state.link.nextHelloMs, state.link.untilMs);
    case 'over':
      return Number.POSITIVE_INFINITY;
    default: {
      const { link, plan } = { link: state.link, plan: state.plan };
      const silentMs = link.heardMs + plan.timing.silentLeases * link.welcome.leaseMs;
      return Math.min(link.nextRenewMs, silentMs, link.engineHeardMs + engineBudgetMs(state, link), link.drainUntilMs);
    }
  }
}

// --- coming and going

function join(state: Session, nowMs: number, effects: readonly SessionEffect[]): SessionTransition {
  const { helloMs, joinMs } = state.plan.timing;
  const link: Joining = {
    phase: 'joining',
    untilMs: nowMs + joinMs,
    nextHelloMs: nowMs + helloMs,
    helloEveryMs: helloMs,
    refusal: null,
  };
  return { state: { ...state, link }, effects: [...effects, hello(state.plan)] };
}

function onCheckpoint(state: Session): SessionTransition {
  const link = attached(state);
  return { state, effects: link === null ? [] : [{ type: 'send', message: { ...identity(link), type: 'worker.checkpoint' } }] };
}

function onStop(state: Session, reason: string, nowMs: number): SessionTransition {
  const link = attached(state);
  if (link === null) return end(state, EXIT.done, `it was stopped before it joined a run (${reason})`);
  if (link.phase === 'draining') return end(state, EXIT.done, `it was stopped at once (${reason})`);
  return {
    state: { ...state, link: { ...link, phase: 'draining', drainUntilMs: nowMs + state.plan.timing.drainMs } },
    effects: [
      { type: 'send', message: { ...identity(link), type: 'worker.leave', message: cutText(reason) } },
      logged('info', 'session.draining', { reason }),
    ],
  };
}

function end(state: Session, code: number, reason: string): SessionTransition {
  const exit: SessionEffect = { type: 'exit', code, reason };
  return {
    state: { ...state, link: { phase: 'over' } },
    effects: [...killed(state), logged('info', 'session.over', { reason, code }), exit],
  };
}

// --- helpers

function attached(state: Session): Attached | null {
  return state.link.phase === 'joining' || state.link.phase === 'over' ? null : state.link;
}

function isCurrent(state: Session, engine: number): boolean {
  return attached(state)?.engine === engine;
}

function identity({ welcome: { term, incarnation } }: Attached): Pick<Attached['welcome'], 'term' | 'incarnation'> {
  return { term, incarnation };
}

function killed(state: Session): SessionEffect[] {
  const link = attached(state);
  return link === null ? [] : [{ type: 'kill-engine', engine: link.engine }];
}

function hello({ worker, role, peer, host, pid, schema }: SessionPlan): SessionEffect {
  return { type: 'send', message: { type: 'worker.hello', protocol: PROTOCOL_VERSION, schema, worker, role, peer, host, pid } };
}

function logged(level: 'info' | 'warn' | 'error', event: string, fields: Record<string, unknown>): SessionEffect {
  return { type: 'log', level, event, fields };
}

function same(state: Session): SessionTransition {
  return { state, effects: [] };
}

function withWake({ state, effects }: SessionTransition): SessionTransition {
  const atMs = dueMs(state);
  return Number.isFinite(atMs) ? { state, effects: [...effects, { type: 'wake', atMs }] } : { state, effects };
}
