/** How a run ends: done, failed with a code, or stopped. After the end the core decides nothing more. */

import type { ErrorCode } from '../../src/errors/table.js';
import type { Outcome } from '../../src/protocol/report.js';
import { summarise } from './summary.js';
import { journal, log, report, type Stopping, sendTo, setStage, stageOf, type Turn } from './turn.js';

/** The end of a run; `code` is null when all is done. */
export interface Ending {
  readonly outcome: Outcome;
  readonly code: ErrorCode | null;
  readonly message: string;
}

/** Ends the run: every member is told to leave, and the shell gets the summary. */
export function finish(turn: Turn, { outcome, code, message }: Ending): void {
  if (turn.state.phase.type === 'ended') return;
  if (outcome === 'done') journal(turn, { type: 'run-done' });
  turn.state = { ...turn.state, phase: { type: 'ended', outcome } };
  for (const incarnation of turn.state.roster.keys()) {
    sendTo(turn, incarnation, { type: 'coordinator.stop', outcome, message: message.slice(0, 2000) });
  }
  log(turn, [outcome === 'failed' ? 'error' : 'info', 'run.ended'], { outcome, code, message });
  report(turn, { type: 'run-ended', outcome, message });
  turn.effects.push({ type: 'finish', outcome, code, message, summary: summarise(turn.state) });
}

/**
 * The run ends once its committed state is on disk: because somebody asked for that, or with this failure. Nobody waits for the
 * end of a failure, so its checkpoint has the time of any other. advance() does the rest.
 */
export function stopSafely(turn: Turn, { reason, failure }: Pick<Stopping, 'reason' | 'failure'>): void {
  if (turn.state.phase.type !== 'running') return;
  const { stopMs, saveMs } = turn.state.plan.timing;
  const deadlineMs = turn.nowMs + (failure === null ? stopMs : saveMs);
  turn.state = { ...turn.state, phase: { type: 'stopping', reason, failure, isConcluding: false, deadlineMs } };
  // The tries to store the last checkpoint are counted anew, and the first one comes at once.
  if (turn.state.stage !== null) setStage(turn, { failures: 0, pauseUntilMs: turn.nowMs });
}

/** The end of a run that was stopped, or has failed, once its committed state is on disk. */
export function finishStop(turn: Turn, { reason, failure }: Stopping): void {
  if (failure === null) finish(turn, { outcome: 'stopped', code: 'run.interrupted', message: reason });
  else finish(turn, { outcome: 'failed', code: failure, message: reason });
}

/**
 * Counts one more failure that another try may mend: the stage pauses, longer each time. Too many in a row end the run with
 * the last one's reason.
 */
export function countFailure(turn: Turn, code: ErrorCode, message: string): void {
  const { retryMs, retryMaxMs } = turn.state.plan.timing;
  const failures = stageOf(turn).failures + 1;
  const pauseMs = Math.min(retryMs * 2 ** (failures - 1), retryMaxMs);
  setStage(turn, { failures, pauseUntilMs: turn.nowMs + pauseMs });
  log(turn, ['warn', 'stage.failure'], { stage: stageOf(turn).name, code, message, failures });
  report(turn, { type: 'trouble', stage: stageOf(turn).name, code, message, failures });
  if (failures >= turn.state.plan.timing.failuresMax) endWith(turn, { code, message, failures });
}

/** Too many failures in a row: the run ends, with what is committed on disk where it can be stored. */
function endWith(
  turn: Turn,
  { code, message, failures }: { readonly code: ErrorCode; readonly message: string; readonly failures: number },
): void {
  const { phase } = turn.state;
  const reason = `stage ${stageOf(turn).name}: ${message} (${failures} failures in a row)`;
  if (phase.type === 'running') {
    if (code === 'checkpoint.unwritable') finish(turn, { outcome: 'failed', code, message: reason });
    else stopSafely(turn, { reason, failure: code });
    return;
  }
  // A stop that was asked for has a short deadline of its own.
  if (phase.type === 'stopping' && phase.failure !== null)
    finishStop(turn, { ...phase, reason: `${phase.reason} (and the last checkpoint could not be stored: ${message})` });
}
