/** What a worker that fails costs: another try, its place, or the run. Only what it said itself is taken for true. */

import type { Incarnation } from '../../src/base/ids.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { ERROR_TABLE, type ErrorCode } from '../../src/errors/table.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import { countFailure, finish } from './ending.js';
import { onEvaluated } from './evaluating.js';
import { disown, removeMember, withdraw } from './membership.js';
import { type Member, withMember } from './roster.js';
import { abandonSaving } from './saving.js';
import { askToServe } from './teaching.js';
import { currentRound, onTrained } from './training.js';
import { log, sendTo, setStage, stageOf, type Turn } from './turn.js';

/** So often in a row may peers fail to reach a member before it has to go. */
const UNREACHABLE_MAX = 3;

/** What is wrong with one machine, and need not be with the others. */
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
    expel(turn, member, { code, reason: message.message });
    return;
  }
  if (!ERROR_TABLE[code].retryable || turn.state.stage === null) {
    finish(turn, { outcome: 'failed', code, message: text });
    return;
  }
  if (code === 'checkpoint.unwritable' && stageOf(turn).saving?.holder === incarnation) {
    abandonSaving(turn, text);
    return;
  }
  if (code === 'checkpoint.damaged' && role === 'student') forgetCheckpoint(turn);
  disown(turn, incarnation);
  withdraw(turn, incarnation, message.message);
  countFailure(turn, code, text);
  if (role === 'teacher' && turn.state.phase.kind === 'running') askToServe(turn, incarnation);
}

/** The member has to go, and is told why; without another of its role the run fails with that reason. */
function expel(
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
  removeMember(turn, incarnation, `${code}: ${reason}`);
}

/** The checkpoint that the base rests on does not load: without a holder, the stage goes back to the one before. */
function forgetCheckpoint(turn: Turn): void {
  const { base, checkpoints } = stageOf(turn);
  if (base.checkpoint === null) return;
  setStage(turn, { base: { ...base, checkpoint: null }, checkpoints: checkpoints.filter(({ id }) => id !== base.checkpoint) });
}

/**
 * A peer did not hand over its arena: the others go on without it, and when that happens again and again, for good. A
 * report of an older exchange says nothing.
 */
export function onUnreachable(turn: Turn, message: WorkerMessageOf<'worker.unreachable'>): void {
  const round = currentRound(turn);
  if (round?.phase !== 'averaging' || round.id !== message.round || round.attempt !== message.attempt) return;
  const peer = turn.state.roster.get(message.peer);
  if (peer === undefined || !round.members.some(({ incarnation }) => incarnation === message.peer)) return;
  const { incarnation: reporter } = message;
  log(turn, ['warn', 'round.peerUnreachable'], { round: round.id, reporter, peer: peer.incarnation, message: message.message });
  const unreachable = peer.unreachable + 1;
  if (unreachable < UNREACHABLE_MAX) {
    turn.state = { ...turn.state, roster: withMember(turn.state.roster, { ...peer, unreachable }) };
    withdraw(turn, peer.incarnation, 'a peer could not reach it');
    return;
  }
  const reason = `its peers cannot reach it at ${peer.engine?.endpoint}. Give it the address that they can reach with --listen-host`;
  expel(turn, peer, { code: 'transport.deadline', reason });
}

/** A report of training counts when it is about the samples that were lent. */
export function acceptTrained(turn: Turn, member: Member, message: WorkerMessageOf<'worker.trained'>): void {
  const share = currentRound(turn)?.members.find(({ incarnation }) => incarnation === member.incarnation);
  const lent = share === undefined ? null : totalOf(share.ranges);
  if (lent !== null && currentRound(turn)?.id === message.round && (message.samples !== lent || message.correct > lent)) {
    reject(turn, member, `it says it trained ${message.samples} samples, ${message.correct} of them right, of ${lent}`);
  } else onTrained(turn, message);
}

/** A report of evaluation counts when it is about the rows that were given out. */
export function acceptEvaluated(turn: Turn, member: Member, message: WorkerMessageOf<'worker.evaluated'>): void {
  const { round } = stageOf(turn);
  const rows = round?.kind === 'evaluate' ? rowsOf(round.members, member.incarnation) : null;
  if (rows !== null && round?.id === message.round && (message.count !== rows || message.correct > rows)) {
    reject(turn, member, `it says it evaluated ${message.count} images, ${message.correct} of them right, of ${rows}`);
  } else onEvaluated(turn, message);
}

function rowsOf(members: readonly { readonly incarnation: Incarnation; readonly rows: number }[], incarnation: Incarnation): number | null {
  return members.find((member) => member.incarnation === incarnation)?.rows ?? null;
}

/** What a member says cannot be true: it is not to be trusted with anything. */
function reject(turn: Turn, member: Member, reason: string): void {
  expel(turn, member, { code: 'protocol.invalid', reason });
}
