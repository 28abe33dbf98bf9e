/**
 * Members come, report, fall silent and leave. Two of the verbs of README.md are about members: lead-round.ts withdraws a member
 * from a round, and this file expels it from the run.
 */

import { asIncarnation, type Incarnation } from '../../src/base/ids.js';
import { LIMITS } from '../../src/base/limits.js';
import { problemOfWantedPeer } from '../../src/config/peer.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import { cutText, type RefuseReason } from '../../src/protocol/field.js';
import { concludeRound, isInRound, withdraw } from './lead-round.js';
import { expiryMs, judgeHello, type Member, NO_COUNTERS, withMember, withoutMember } from './roster.js';
import { askToSave, isSaving } from './saving.js';
import { isSafe, withoutHolders } from './stage.js';
import { addCounters } from './summary.js';
import { askToServe, relink } from './teaching.js';
import { log, report, sendTo, setStage, stageOf, type Turn } from './turn.js';

/** The number of names that are remembered to count restarts. */
const NAMES_MAX = 1024;

/** Tells a connection why its message was refused; `of` is the type of that message. */
export function refuse(
  turn: Turn,
  connection: string,
  options: { readonly reason: RefuseReason; readonly of: string; readonly message: string },
): void {
  log(turn, ['warn', 'message.refused'], { connection, ...options });
  turn.effects.push({ type: 'send', connection, message: { type: 'refuse', ...options } });
}

/** Admits a worker, or refuses it with the reason. A worker that asks again in the same life gets the same welcome. */
export function onHello(turn: Turn, connection: string, hello: WorkerMessageOf<'worker.hello'>): void {
  if (turn.state.phase.type !== 'running') {
    refuse(turn, connection, { reason: 'run-over', of: hello.type, message: `the run ${turn.state.plan.run} is over or stopping` });
    return;
  }
  const { renewEveryMs } = turn.state.plan.timing;
  if (turn.state.roster.size >= LIMITS.members) {
    refuse(turn, connection, { reason: 'busy', of: hello.type, message: `the run has its ${LIMITS.members} workers` });
    return;
  }
  const problem = hello.peer === null ? null : problemOfWantedPeer(turn.state.plan.recipe, hello.peer);
  if (problem !== null) {
    // An agent takes this reason for final: another hello would ask for the same.
    refuse(turn, connection, { reason: 'unknown-peer', of: hello.type, message: cutText(problem) });
    return;
  }
  const verdict = judgeHello(turn.state.roster, hello, { connection, nowMs: turn.nowMs, renewEveryMs });
  switch (verdict.kind) {
    case 'again':
      return welcome(turn, verdict.member);
    case 'taken': {
      const { worker, host, pid } = verdict.member;
      const message = `the name ${worker} belongs to a live worker (${host}, process ${pid}). Give this one another --name`;
      return refuse(turn, connection, { reason: 'name-taken', of: hello.type, message });
    }
    case 'replaces':
      expel(turn, verdict.member.incarnation, 'a new process of the same worker has started');
      return admit(turn, connection, hello);
    case 'new':
      return admit(turn, connection, hello);
  }
}

function admit(turn: Turn, connection: string, hello: WorkerMessageOf<'worker.hello'>): void {
  const { worker, role, peer, host, pid } = hello;
  const incarnation = asIncarnation(turn.state.nextIncarnation);
  const member: Member = {
    incarnation,
    worker,
    role,
    peer,
    host,
    pid,
    connection,
    heardMs: turn.nowMs,
    engine: null,
    serving: null,
    dueMs: turn.nowMs + turn.state.plan.timing.startMs,
    counters: NO_COUNTERS,
    unreachable: 0,
    isLeaving: false,
  };
  const { known, totals } = turn.state;
  turn.state = {
    ...turn.state,
    nextIncarnation: incarnation + 1,
    roster: withMember(turn.state.roster, member),
    known: known.size < NAMES_MAX ? new Set([...known, worker]) : known,
    totals: { ...totals, restarts: totals.restarts + (known.has(worker) ? 1 : 0) },
  };
  log(turn, ['info', 'worker.welcomed'], { worker, role, incarnation, host, pid });
  welcome(turn, member);
}

function welcome(turn: Turn, { incarnation }: Member): void {
  const { run, timing, dataEndpoint, digests, recipeJson } = turn.state.plan;
  const { renewEveryMs, leaseMs } = timing;
  sendTo(turn, incarnation, { type: 'coordinator.welcome', run, renewEveryMs, leaseMs, dataEndpoint, recipe: recipeJson, digests });
}

/** The engine is up: the member can be given work. */
export function onReady(turn: Turn, member: Member, message: WorkerMessageOf<'worker.ready'>): void {
  const { worker, role, incarnation } = member;
  const engine = { name: message.engine, endpoint: message.endpoint };
  turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, engine, dueMs: null }) };
  log(turn, ['info', 'worker.ready'], { worker, role, incarnation, ...engine });
  report(turn, { type: 'worker-joined', worker, role, incarnation, engine: engine.name });
  if (role === 'teacher') askToServe(turn, incarnation);
  else relink(turn);
}

/** Reports how the worker runs the steps of a stage, for people. */
export function onPrepared(turn: Turn, { worker, role, engine }: Member, message: WorkerMessageOf<'worker.prepared'>): void {
  const { stage, traced, precision, threads, note } = message;
  const how = { worker, role, engine: engine?.name ?? 'unknown', stage, traced, precision, threads, note };
  log(turn, ['info', 'worker.prepared'], how);
  report(turn, { type: 'worker-prepared', ...how });
}

/** The member has renewed its lease (run.ts has noted the time). Keeps the counters. */
export function onRenew(turn: Turn, member: Member, message: WorkerMessageOf<'worker.renew'>): void {
  const { progress, images, busyMs, controlBytes, dataBytes } = message;
  const counters = { progress, images, busyMs, controlBytes, dataBytes };
  turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, counters }) };
  sendTo(turn, member.incarnation, { type: 'coordinator.renewed' });
}

/** The worker asks to leave (a drain). It gets no more work, and its round is ended with as little loss as possible. */
export function onLeave(turn: Turn, member: Member, message: WorkerMessageOf<'worker.leave'>): void {
  const { worker, incarnation } = member;
  log(turn, ['info', 'worker.leaving'], { worker, incarnation, reason: message.message });
  turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, isLeaving: true }) };
  concludeRound(turn, { member, reason: 'it leaves' });
  relink(turn);
}

/** Releases the members that asked to leave, once nothing depends on them: parameters that nobody else holds go to disk first. */
export function releaseLeavers(turn: Turn): void {
  for (const { incarnation, isLeaving } of turn.state.roster.values()) {
    if (!isLeaving || isInRound(turn, incarnation)) continue;
    if (holdsTheLast(turn, incarnation)) {
      if (turn.nowMs >= stageOf(turn).pauseUntilMs) askToSave(turn);
      continue;
    }
    sendTo(turn, incarnation, { type: 'coordinator.stop', outcome: 'stopped', message: 'it has left the run' });
    expel(turn, incarnation, 'it left');
  }
}

/** Whether this member holds committed parameters of a peer that no disk and otherwise only other leaving members hold. */
function holdsTheLast({ state: { stage, roster } }: Turn, incarnation: Incarnation): boolean {
  if (stage === null || isSafe(stage.base)) return false;
  return [...stage.base.peers.values()].some(
    ({ isStored, holders }) => !isStored && holders.includes(incarnation) && holders.every((holder) => roster.get(holder)?.isLeaving),
  );
}

/** Takes the member out of the run: it is in no round, holds no parameters, and its work goes back. */
export function expel(turn: Turn, incarnation: Incarnation, reason: string): void {
  const member = turn.state.roster.get(incarnation);
  if (member === undefined) return;
  const { worker, role } = member;
  log(turn, ['warn', 'worker.gone'], { worker, role, incarnation, reason });
  report(turn, { type: 'worker-gone', worker, role, incarnation, reason });
  keepTotals(turn, member);
  turn.state = { ...turn.state, roster: withoutMember(turn.state.roster, incarnation) };
  if (turn.state.stage === null) return;
  if (isSaving(turn.state.stage, incarnation)) setStage(turn, { saving: null });
  forgetHolder(turn, incarnation);
  withdraw(turn, member, reason);
  relink(turn);
}

function keepTotals(turn: Turn, { role, counters, engine }: Member): void {
  const { totals } = turn.state;
  const perRole = { ...totals.perRole, [role]: addCounters(totals.perRole[role], counters) };
  const engines = engine === null ? totals.engines : [...totals.engines, engine.name];
  turn.state = { ...turn.state, totals: { ...totals, perRole, engines: [...new Set(engines)] } };
}

/** Expels every member that is silent for a lease, or whose engine or model is overdue. */
export function expelExpired(turn: Turn): void {
  const { leaseMs, startMs } = turn.state.plan.timing;
  for (const member of turn.state.roster.values()) {
    if (expiryMs(member, leaseMs) > turn.nowMs) continue;
    const isSilent = turn.nowMs >= member.heardMs + leaseMs;
    const reason = isSilent ? `nothing was heard of it for ${leaseMs} ms` : `its engine or model was not ready after ${startMs} ms`;
    expel(turn, member.incarnation, reason);
  }
}

/** A member that failed no longer counts as a holder of the committed parameters: it may have missed the commit. */
export function forgetHolder(turn: Turn, incarnation: Incarnation): void {
  setStage(turn, { base: withoutHolders(stageOf(turn).base, [incarnation]) });
}
