/**
 * The coordinator's core: one event and the time in, the next state and the effects out. Pure. README.md says which file makes
 * which decision.
 *
 * Invariants: after the end nothing is decided; a message of another term or incarnation changes nothing; everything that is
 * awaited has a deadline, and the wake-up is set to the first of them.
 */

import { assertNever } from '../../src/base/assert.js';
import { stageOrder } from '../../src/config/stage-graph.js';
import type { WorkerMessage } from '../../src/protocol/control.js';
import { advance } from './advance.js';
import { finishStop, stopSafely } from './ending.js';
import { onExported, onExportFailed } from './export-round.js';
import { acceptReport, checkRound, onFailed, onLost } from './failing.js';
import { expelExpired, onHello, onLeave, onPrepared, onReady, onRenew, refuse, releaseLeavers } from './membership.js';
import { expiryMs, type Member, withMember } from './roster.js';
import { onPartStored, onSaveFailed, onStored, wantSave } from './saving.js';
import { NO_TOTALS } from './summary.js';
import { onServing } from './teaching.js';
import { journal, log, type RunState, report, type Turn } from './turn.js';
import type { CoreEvent, Recovered, RunPlan, Transition } from './types.js';

/** The first state of a term. */
export function startRun(plan: RunPlan, recovered: Recovered, nowMs: number): Transition<RunState> {
  const state: RunState = {
    plan,
    phase: { type: 'running' },
    roster: new Map(),
    gatherUntilMs: null,
    known: new Set(),
    order: stageOrder(plan.recipe),
    done: recovered.done,
    stage: null,
    left: recovered,
    sentAwayFor: new Set(),
    nextIncarnation: 1,
    nextRound: recovered.round + 1,
    commits: recovered.commits,
    totals: NO_TOTALS,
  };
  const turn: Turn = { state, effects: [], nowMs };
  journal(turn, { type: 'term' });
  log(turn, ['info', 'run.started'], { run: plan.run, term: plan.term, done: recovered.done.map(({ stage }) => stage) });
  report(turn, { type: 'run-started', run: plan.run, term: plan.term, stages: state.order });
  advance(turn);
  return close(turn);
}

/** The state after one event, which came at `nowMs`. Throws InvariantError when the core itself is wrong. */
export function stepRun(state: RunState, event: CoreEvent, nowMs: number): Transition<RunState> {
  const turn: Turn = { state, effects: [], nowMs };
  if (state.phase.type === 'ended') return afterTheEnd(turn, event);
  handle(turn, event);
  expelExpired(turn);
  checkDeadlines(turn);
  releaseLeavers(turn);
  advance(turn);
  return close(turn);
}

function handle(turn: Turn, event: CoreEvent): void {
  switch (event.type) {
    case 'message':
      return onMessage(turn, event.connection, event.message);
    case 'tick':
      return;
    case 'checkpoint-part':
      return onPartStored(turn, event.state);
    case 'checkpoint-stored':
      return onStored(turn, event.checkpoint, event.slotsOf);
    case 'exported':
      return onExported(turn, event.round);
    case 'export-failed':
      return onExportFailed(turn, event);
    case 'checkpoint':
      return wantSave(turn, 'the user');
    case 'stop':
      return onStop(turn, event.reason);
    default:
      return assertNever(event, 'event');
  }
}

function onMessage(turn: Turn, connection: string, message: WorkerMessage): void {
  if (message.type === 'worker.hello') return onHello(turn, connection, message);
  const { plan, roster } = turn.state;
  if (message.term !== plan.term) {
    const text = `term ${message.term} is not the coordinator's: it is in term ${plan.term}. Say hello again`;
    return refuse(turn, connection, { reason: 'old-term', of: message.type, message: text });
  }
  const member = roster.get(message.incarnation);
  if (member === undefined) {
    const text = `incarnation ${message.incarnation} is not, or no longer, a member. Say hello again`;
    return refuse(turn, connection, { reason: 'unknown-incarnation', of: message.type, message: text });
  }
  const heard = { ...member, connection, heardMs: turn.nowMs };
  turn.state = { ...turn.state, roster: withMember(roster, heard) };
  onMemberMessage(turn, heard, message);
}

function onMemberMessage(turn: Turn, member: Member, message: Exclude<WorkerMessage, { type: 'worker.hello' }>): void {
  const { incarnation } = member;
  switch (message.type) {
    case 'worker.ready':
      return onReady(turn, member, message);
    case 'worker.prepared':
      return onPrepared(turn, member, message);
    case 'worker.renew':
      return onRenew(turn, member, message);
    case 'worker.lost':
      return onLost(turn, member, message);
    case 'worker.leave':
      return onLeave(turn, member, message);
    case 'worker.checkpoint':
      return wantSave(turn, member.worker);
    case 'worker.failed':
      return onFailed(turn, member, message);
    case 'worker.serving':
      return onServing(turn, incarnation, message.stage);
    default:
      acceptReport(turn, member, message);
  }
}

/** Ends the round with as little loss as possible; advance() then asks for the checkpoint and ends the run. */
function onStop(turn: Turn, reason: string): void {
  const { phase, plan } = turn.state;
  if (phase.type === 'running') stopSafely(turn, { reason, failure: null });
  // A person who stops a run that ends with a failure does not wait for longer than one who stops any other.
  if (phase.type !== 'stopping' || phase.failure === null) return;
  const deadlineMs = Math.min(phase.deadlineMs, turn.nowMs + plan.timing.stopMs);
  turn.state = { ...turn.state, phase: { ...phase, deadlineMs } };
}

function checkDeadlines(turn: Turn): void {
  const { phase } = turn.state;
  if (phase.type === 'stopping' && turn.nowMs >= phase.deadlineMs) {
    finishStop(turn, { ...phase, reason: `${phase.reason} (the last checkpoint was not stored in time)` });
    return;
  }
  checkRound(turn);
  const saving = turn.state.stage?.saving;
  if (saving && turn.nowMs >= saving.deadlineMs) onSaveFailed(turn, 'the deadline is over');
}

function afterTheEnd(turn: Turn, event: CoreEvent): Transition<RunState> {
  if (event.type === 'message' && event.message.type === 'worker.hello') onHello(turn, event.connection, event.message);
  return { state: turn.state, effects: turn.effects };
}

/** Sets the wake-up to the first of all deadlines. */
function close(turn: Turn): Transition<RunState> {
  const { phase, roster, stage, plan, gatherUntilMs } = turn.state;
  const { leaseMs, waitMs } = plan.timing;
  const deadlines = [...roster.values()].map((member) => expiryMs(member, leaseMs));
  if (phase.type === 'stopping') deadlines.push(phase.deadlineMs);
  if (stage?.round) deadlines.push(stage.round.deadlineMs);
  if (stage?.saving) deadlines.push(stage.saving.deadlineMs);
  if (stage !== null && stage.waiting !== null) deadlines.push(stage.waiting.sinceMs + waitMs);
  if (stage && stage.pauseUntilMs > turn.nowMs) deadlines.push(stage.pauseUntilMs);
  if (gatherUntilMs !== null && gatherUntilMs > turn.nowMs) deadlines.push(gatherUntilMs);
  if (phase.type !== 'ended' && deadlines.length > 0) turn.effects.push({ type: 'wake', atMs: Math.min(...deadlines) });
  return { state: turn.state, effects: turn.effects };
}
