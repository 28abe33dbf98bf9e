/** A worker that fails costs another try, its place, or the run. Only what it said itself is taken for true. */

import { assertNever } from '../../src/base/assert.js';
import { ERROR_TABLE, type ErrorCode } from '../../src/errors/table.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import { countFailure, finish } from './ending.js';
import { onReport, withdraw } from './lead-round.js';
import { expel, forgetHolder } from './membership.js';
import { type Member, withMember } from './roster.js';
import type { Charge, RoundReport } from './round-sort.js';
import { isSaving, onSaveFailed } from './saving.js';
import { askToServe } from './teaching.js';
import { sendTo, setStage, stageOf, type Turn } from './turn.js';

/** A member that its replicas cannot reach this often in a row has to go. */
const UNREACHABLE_MAX = 3;

/** Errors that are about one machine, and need not be on the others. */
const OF_ONE_MACHINE: readonly ErrorCode[] = ['data.missing', 'data.damaged', 'model.invalid', 'loss.invalid', 'engine.unusable'];

/**
 * A worker could not do what it was told. What another try may mend is counted. What is wrong with its machine costs it
 * its place, while there are others of its role. Anything else ends the run.
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
    finish(turn, { outcome: 'failed', code, message: text });
    return;
  }
  if (code === 'checkpoint.unwritable' && isSaving(stageOf(turn), incarnation)) {
    onSaveFailed(turn, text);
    return;
  }
  if (code === 'checkpoint.damaged' && role === 'student') onCheckpointDamaged(turn);
  forgetHolder(turn, incarnation);
  withdraw(turn, incarnation, message.message);
  countFailure(turn, code, text);
  if (role === 'teacher' && turn.state.phase.type === 'running') askToServe(turn, incarnation);
}

/** The member is told why it has to go, and is expelled; without another of its role the run fails with that reason. */
function sendAway(
  turn: Turn,
  { incarnation, worker, role }: Member,
  { code, reason }: { readonly code: ErrorCode; readonly reason: string },
): void {
  const others = [...turn.state.roster.values()].filter((other) => other.role === role && other.incarnation !== incarnation);
  if (others.length === 0) {
    finish(turn, { outcome: 'failed', code, message: `worker ${worker}: ${reason}` });
    return;
  }
  sendTo(turn, incarnation, { type: 'coordinator.stop', outcome: 'failed', message: reason });
  expel(turn, incarnation, `${code}: ${reason}`);
}

/** The checkpoint that the base rests on does not load: without a holder, the stage goes back to the one before. */
function onCheckpointDamaged(turn: Turn): void {
  const { base, checkpoints } = stageOf(turn);
  if (![...base.peers.values()].some(({ isStored }) => isStored)) return;
  const peers = new Map([...base.peers].map(([peer, part]) => [peer, { ...part, isStored: false }]));
  setStage(turn, { base: { ...base, peers }, checkpoints: checkpoints.filter(({ round }) => round !== base.round) });
}

/** A report about a round. What it says against a member costs that member its share, or its place. */
export function acceptReport(turn: Turn, sender: Member, message: RoundReport): void {
  const charge = onReport(turn, sender, message);
  const member = charge === null ? undefined : turn.state.roster.get(charge.incarnation);
  if (charge !== null && member !== undefined) answerCharge(turn, member, charge);
}

function answerCharge(turn: Turn, member: Member, { type, reason }: Charge): void {
  switch (type) {
    case 'untrue':
      sendAway(turn, member, { code: 'protocol.invalid', reason });
      return;
    case 'unreachable': {
      const unreachable = member.unreachable + 1;
      if (unreachable < UNREACHABLE_MAX) {
        turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...member, unreachable }) };
        withdraw(turn, member.incarnation, reason);
        return;
      }
      const where = `its replicas cannot reach it at ${member.engine?.endpoint}`;
      sendAway(turn, member, {
        code: 'transport.deadline',
        reason: `${where}. Give it the address that they can reach with --listen-host`,
      });
      return;
    }
    default:
      assertNever(type, 'charge');
  }
}
