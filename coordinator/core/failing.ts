/** The cost of a worker's failure: another try, its place, or the run. A member is believed only about itself. */

import { assertNever } from '../../src/base/assert.js';
import { peersOf } from '../../src/config/peer.js';
import { ERROR_TABLE, type ErrorCode } from '../../src/errors/table.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import { cutText } from '../../src/protocol/field.js';
import { countFailure, finish, stopSafely } from './ending.js';
import { codeOfLoss } from './kinds/finished.js';
import { onReport, onRoundDeadline, withdraw } from './lead-round.js';
import { expel, forgetHolder } from './membership.js';
import { onNotFinite } from './not-finite.js';
import { type Member, withMember } from './roster.js';
import type { Charge, RoundReport } from './round-sort.js';
import { isSaving, onSaveFailed } from './saving.js';
import { askToServe } from './teaching.js';
import { log, sendTo, setStage, stageOf, type Turn } from './turn.js';

/** A member that other students cannot reach this many times in a row is expelled. */
const UNREACHABLE_MAX = 3;
/** A member for whose first step so many rounds may have waited in vain is left out. Each of them gives it the time to build its graphs. */
const LATE_AT_FIRST_MAX = 2;

/** Errors of a user's module, which other machines have too, unless their file is another one. */
const OF_A_MODULE: readonly ErrorCode[] = ['model.invalid', 'loss.invalid'];
/** Errors of one machine, which the other machines need not have. */
const OF_ONE_MACHINE: readonly ErrorCode[] = [
  'data.missing',
  'data.damaged',
  'basis.differs',
  'engine.unusable',
  'engine.outOfMemory',
  ...OF_A_MODULE,
];

/** Errors of one machine after which others may have the same error. */
const MAY_COME_AGAIN: readonly ErrorCode[] = ['engine.outOfMemory', ...OF_A_MODULE];

/**
 * A worker could not carry out an order. A failure that another try may mend is counted. An error of its machine costs the
 * worker its place, while there are others of its role. Any other error ends the run.
 */
export function onFailed(turn: Turn, member: Member, message: WorkerMessageOf<'worker.failed'>): void {
  const { incarnation, worker, role } = member;
  const code: ErrorCode = Object.hasOwn(ERROR_TABLE, message.code) ? (message.code as ErrorCode) : 'run.failed';
  const text = `worker ${worker}: ${message.message}`;
  if (OF_ONE_MACHINE.includes(code)) {
    sendAway(turn, member, { code, reason: message.message });
    return;
  }
  if (!ERROR_TABLE[code].retryable || turn.state.stage === null) {
    failRun(turn, member, { code, message: text });
    return;
  }
  if (code === 'checkpoint.unwritable' && isSaving(stageOf(turn), incarnation)) {
    onSaveFailed(turn, text);
    return;
  }
  if (code === 'checkpoint.damaged') {
    if (loadsFinished(turn, member)) return onModelLost(turn, member, message.message);
    onCheckpointDamaged(turn);
  }
  forgetHolder(turn, incarnation);
  withdraw(turn, member, message.message);
  countFailure(turn, code, text);
  if (role === 'teacher' && turn.state.phase.type === 'running') askToServe(turn, incarnation);
}

/** The engine of a worker has ended. Where memory ran out, others may have the same end; otherwise it costs the worker alone its place. */
export function onLost(turn: Turn, member: Member, { code, message }: WorkerMessageOf<'worker.lost'>): void {
  const isOver = code === 'engine.outOfMemory' && !canOthersDoIt(turn, member, code);
  if (code === 'engine.outOfMemory' && !isOver) return sendAway(turn, member, { code, reason: message });
  expel(turn, member.incarnation, message);
  if (isOver) failRun(turn, member, { code: 'engine.outOfMemory', message: `worker ${member.worker}: ${message}` });
}

/** The run fails because of what this member reported; its committed state goes to disk first. */
function failRun(turn: Turn, member: Member, { code, message }: { readonly code: ErrorCode; readonly message: string }): void {
  const { phase, stage } = turn.state;
  if (stage === null) {
    finish(turn, { outcome: 'failed', code, message });
    return;
  }
  const reason = cutText(message);
  withdraw(turn, member, reason);
  if (phase.type === 'running') {
    stopSafely(turn, { reason, failure: code });
    return;
  }
  // The run ends already: others may still store what they hold.
  if (isSaving(stageOf(turn), member.incarnation)) setStage(turn, { saving: null });
  forgetHolder(turn, member.incarnation);
}

/**
 * Tells the member why it must leave, and expels it. Where no other member can do its work, the run fails with that reason.
 */
function sendAway(turn: Turn, member: Member, { code, reason }: { readonly code: ErrorCode; readonly reason: string }): void {
  const { incarnation, worker } = member;
  if (!canOthersDoIt(turn, member, code)) {
    failRun(turn, member, { code, message: `worker ${worker}: ${reason}` });
    return;
  }
  turn.state = { ...turn.state, sentAwayFor: new Set([...turn.state.sentAwayFor, causeOf(member, code)]) };
  // The next worker may fail likewise.
  if (turn.state.stage !== null && MAY_COME_AGAIN.includes(code)) setStage(turn, { isSaveWanted: true });
  sendTo(turn, incarnation, { type: 'coordinator.stop', outcome: 'failed', message: reason });
  log(turn, ['warn', 'worker.sentAway'], { worker, incarnation, code, reason });
  expel(turn, incarnation, reason);
}

/**
 * Whether other members may succeed where this one has failed. A user's module has two tries in all. A machine whose memory ran out has two:
 * the second one has the memory that the first one had, too.
 */
function canOthersDoIt(turn: Turn, member: Member, code: ErrorCode): boolean {
  const { incarnation, role, host } = member;
  const others = [...turn.state.roster.values()].filter((other) => other.role === role && other.incarnation !== incarnation);
  const isAgain = turn.state.sentAwayFor.has(causeOf(member, code));
  if (OF_A_MODULE.includes(code)) return !isAgain && others.length > 0;
  if (code !== 'engine.outOfMemory') return others.length > 0;
  const hopeful = isAgain ? others.filter((other) => other.host !== host) : others;
  return hopeful.length >= studentsNeeded(turn, role);
}

/** The least number of workers of the role with which the stage goes on. */
function studentsNeeded({ state: { stage } }: Turn, role: Member['role']): number {
  return role === 'student' && stage !== null ? Math.max(1, peersOf(stage.recipe).size) : 1;
}

/** The cause for which a worker is sent away: memory runs out on one machine, and a module fails anywhere. */
function causeOf({ host }: Member, code: ErrorCode): string {
  return code === 'engine.outOfMemory' ? `${code} on ${host}` : code;
}

/** Whether a member loads the model of a finished stage, to teach or to begin with: no older checkpoint has it. */
function loadsFinished(turn: Turn, { role }: Member): boolean {
  const { base, init } = stageOf(turn);
  return role === 'teacher' || (base.round === 0 && init.size > 0);
}

/** The checkpoint of that model does not load. The run ends, unless another teacher has it in memory. */
function onModelLost(turn: Turn, member: Member, reason: string): void {
  const { name, taughtBy, init } = stageOf(turn);
  const lost = member.role === 'teacher' ? taughtBy : [...init.values()][0];
  const code = codeOfLoss(turn, lost?.state.stage ?? name);
  if (member.role === 'teacher') sendAway(turn, member, { code, reason });
  else failRun(turn, member, { code, message: `worker ${member.worker}: ${reason}` });
}

/** The checkpoint that the base rests on does not load. Without a holder, the stage goes back to the checkpoint before. */
function onCheckpointDamaged(turn: Turn): void {
  const { base, checkpoints } = stageOf(turn);
  if (![...base.peers.values()].some(({ isStored }) => isStored)) return;
  const peers = new Map([...base.peers].map(([peer, part]) => [peer, { ...part, isStored: false }]));
  setStage(turn, { base: { ...base, peers }, checkpoints: checkpoints.filter(({ round }) => round !== base.round) });
}

/** Takes a report about a round. A charge in it costs the charged member its share, or its place. */
export function acceptReport(turn: Turn, sender: Member, message: RoundReport): void {
  const charge = message.type === 'worker.notFinite' ? onNotFinite(turn, sender, message) : onReport(turn, sender, message);
  if (charge !== null) answerCharge(turn, charge);
}

/** Called at every turn; acts when the deadline of the round under way is over. */
export function checkRound(turn: Turn): void {
  for (const charge of onRoundDeadline(turn)) answerCharge(turn, charge);
}

function answerCharge(turn: Turn, { type, incarnation, reason }: Charge): void {
  const member = turn.state.roster.get(incarnation);
  if (member === undefined) return;
  switch (type) {
    case 'untrue':
      sendAway(turn, member, { code: 'protocol.invalid', reason });
      return;
    case 'unreachable': {
      const unreachable = member.unreachable + 1;
      if (unreachable < UNREACHABLE_MAX) {
        turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, unreachable }) };
        withdraw(turn, member, reason);
        return;
      }
      const where = `other students cannot reach it at ${member.engine?.endpoint}`;
      sendAway(turn, member, {
        code: 'transport.deadline',
        reason: `${where}. Give it the address that they can reach with --listen-host`,
      });
      return;
    }
    case 'late': {
      const { lateAtFirst } = stageOf(turn);
      const late = (lateAtFirst.get(incarnation) ?? 0) + 1;
      setStage(turn, { lateAtFirst: new Map(lateAtFirst).set(incarnation, late) });
      if (late < LATE_AT_FIRST_MAX) return;
      sendAway(turn, member, { code: 'transport.deadline', reason: `${reason}, in ${late} rounds. The others go on without it` });
      return;
    }
    default:
      assertNever(type, 'charge');
  }
}
