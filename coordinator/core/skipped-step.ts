/**
 * Takes the samples of a step that was not finite out of the stage, and decides what such steps come to (P11): one alone is skipped;
 * after three in a row the stage goes back to its last checkpoint; after three more at the same place the run fails, and
 * names the culprit.
 */

import type { Incarnation } from '../../src/base/ids.js';
import { spellPeer } from '../../src/config/peer.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';
import { finish } from './ending.js';
import { skip } from './ledger.js';
import { isLost } from './stage.js';
import { journal, log, report, setStage, stageOf, type Turn } from './turn.js';

/** The number of steps in a row that are not finite before the stage goes back, or the run ends. */
const IN_ROW_MAX = 3;

/** A step that was not finite. */
export interface BadStep {
  readonly incarnation: Incarnation;
  readonly peer: string;
  /** Its samples. They must be pending. */
  readonly ranges: readonly Range[];
  /** Steps at most so many samples apart are in a row. */
  readonly nearby: number;
  readonly message: string;
}

/** Skips the step. `go-back`: the caller must have the stage go back, because too many came in a row or nobody holds the parameters. */
export function skipStep(turn: Turn, step: BadStep): 'go-on' | 'go-back' {
  const { incarnation, peer, ranges, message } = step;
  const { name: stage, ledger, divergence } = stageOf(turn);
  const worker = turn.state.roster.get(incarnation)?.worker ?? '';
  const samples = totalOf(ranges);
  setStage(turn, { ledger: skip(ledger, ranges) });
  journal(turn, { type: 'skip', stage, peer, ranges });
  log(turn, ['warn', 'step.skipped'], { stage, peer, worker, incarnation, ranges, message });
  report(turn, { type: 'skipped', stage, peer, worker, samples, message });

  const position = Math.min(...ranges.map(({ start }) => start));
  const isNear = divergence !== null && Math.abs(position - divergence.position) <= step.nearby;
  const inRow = isNear ? divergence.inRow + 1 : 1;
  const hasGoneBack = isNear && divergence.hasGoneBack;
  const isTooOften = inRow >= IN_ROW_MAX;
  setStage(turn, { divergence: { position, inRow: isTooOften ? 0 : inRow, hasGoneBack: hasGoneBack || isTooOften } });
  if (isTooOften && hasGoneBack) {
    const where = `worker ${worker}, ${spellPeer({ stage, peer })}`;
    const text = `${where}: ${message}. ${IN_ROW_MAX} steps in a row were not finite, also after the stage had gone back. A lower learning rate, or warm-up, usually helps`;
    finish(turn, { outcome: 'failed', code: 'training.notFinite', message: text });
    return 'go-on';
  }
  return isTooOften || isLost(stageOf(turn).base) ? 'go-back' : 'go-on';
}
