/**
 * Rounds in which the coordinator itself writes a finished model from its checkpoint, for others to load. No worker has a part in them,
 * so nobody's loss ends one.
 */

import { present } from '../../src/base/assert.js';
import type { FinishedModel } from '../../src/config/peer.js';
import type { ErrorCode } from '../../src/errors/table.js';
import type { StageResult } from '../../src/protocol/report.js';
import { countFailure, finish } from './ending.js';
import { failWithoutBase } from './kinds/finished.js';
import type { ExportRound } from './round.js';
import type { RoundSort } from './round-sort.js';
import { setStage, stageOf, type Turn, takeRoundId } from './turn.js';

/** Has the shell write the model `of` from the parameters that the stage works on. */
export function startExport(turn: Turn, of: FinishedModel): void {
  const { name, base } = stageOf(turn);
  const { stage, peer } = of;
  const { hash } = present(base.peers.get(peer), `the peer ${peer}`);
  if (base.round === 0 || hash === null) {
    const message = `stage ${name}: there is no model to export: all images of the stage ${stage} were left out, so it has trained nothing`;
    return finish(turn, { outcome: 'failed', code: 'run.failed', message });
  }
  const id = takeRoundId(turn);
  setStage(turn, { round: { sort: 'export', id, deadlineMs: turn.nowMs + turn.state.plan.timing.firstRoundMs } });
  const tested = testedAs(turn.state.done, of, base.round);
  turn.effects.push({ type: 'export', stage: name, round: id, state: { stage, peer, round: base.round }, hash, ...tested });
}

/** The epoch and the accuracy of the model's evaluation in this round, which its stage has made. */
function testedAs(
  done: readonly StageResult[],
  { stage, peer }: FinishedModel,
  round: number,
): { readonly epoch: number | null; readonly accuracy: number | null } {
  const result = done.find((candidate) => candidate.stage === stage);
  const last = result?.tests.find((test) => test.last.peer === peer)?.last;
  const best = result?.best[peer];
  const found = last?.round === round ? last : best?.round === round ? best : null;
  return { epoch: found?.epoch ?? null, accuracy: found?.accuracy ?? null };
}

/** How an export is led: it ends by the shell's word, or by its deadline. */
export const EXPORT_ROUND: RoundSort<ExportRound> = {
  members: () => [],
  onReport: () => null,
  withdraw: () => {},
  withdrawAll: (turn) => setStage(turn, { round: null }),

  conclude(turn, _, { member }) {
    if (member === null) setStage(turn, { round: null });
  },

  onDeadline(turn) {
    setStage(turn, { round: null });
    countFailure(turn, 'transport.deadline', 'an export took too long');
    return [];
  },
};

/** The model is on disk. */
export function onExported(turn: Turn, round: number): void {
  if (isUnderWay(turn, round)) setStage(turn, { round: null, isExported: true, failures: 0 });
}

/** The model was not written. A checkpoint that does not load is not tried again. */
export function onExportFailed(turn: Turn, { round, code, message }: { round: number; code: ErrorCode; message: string }): void {
  if (!isUnderWay(turn, round)) return;
  setStage(turn, { round: null });
  if (code === 'checkpoint.damaged' || code === 'checkpoint.missing') failWithoutBase(turn, message);
  else countFailure(turn, code, message);
}

function isUnderWay(turn: Turn, id: number): boolean {
  const round = turn.state.stage?.round;
  return round?.sort === 'export' && round.id === id;
}
