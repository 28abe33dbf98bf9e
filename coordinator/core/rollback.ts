/** A stage goes back to its newest whole checkpoint, or to its beginning: the samples committed after it are trained again. */

import { spellPeer } from '../../src/config/peer.js';
import { countFailure } from './ending.js';
import { committedOf, epochsDone, openLedger, samplesOf } from './ledger.js';
import { baseOf, isSafe, lostPeers } from './stage.js';
import { journal, log, report, setStage, stageOf, type Turn } from './turn.js';

/** Goes back because nobody holds the committed parameters. Counts as a failure. */
export function rollBack(turn: Turn): void {
  const { name, base } = stageOf(turn);
  const lost = lostPeers(base).map((peer) => spellPeer({ stage: name, peer }));
  goBack(turn);
  const why =
    lost.length === 1
      ? `no student holds the parameters of ${lost[0]} any more`
      : `the only column was broken up, and with it the parameters of ${lost.join(' and ')} are gone`;
  countFailure(turn, 'engine.crashed', `${why}, so the stage has gone back to them as they were stored`);
}

/** Goes back to the newest whole checkpoint, or to the beginning. No round may be under way. */
export function goBack(turn: Turn): void {
  const { checkpoints, ledger: before, needs, evaluations } = stageOf(turn);
  const checkpoint = checkpoints.at(-1) ?? null;
  const ledger = openLedger({ ...before, contained: checkpoint?.ranges ?? [] });
  setStage(turn, {
    ledger,
    base: baseOf(checkpoint, needs.peers),
    saving: null,
    evaluations: evaluations.filter(({ epoch }) => epoch <= epochsDone(ledger)),
    commitsSinceCheckpoint: 0,
    recent: [],
    learning: {},
  });
  tellRollback(turn);
}

/** Records, in the journal and in a report, that the commits that the present parameters do not contain are undone. */
export function tellRollback(turn: Turn): void {
  const { name, base, ledger } = stageOf(turn);
  const committed = committedOf(ledger);
  const round = base.round > 0 && isSafe(base) ? base.round : null;
  const checkpoint = round === null ? null : `${name}/${round}`;
  journal(turn, { type: 'rollback', stage: name, round, committed });
  log(turn, ['warn', 'stage.rollback'], { stage: name, checkpoint, committed });
  report(turn, { type: 'rollback', stage: name, checkpoint, committed, samples: samplesOf(ledger) });
}
