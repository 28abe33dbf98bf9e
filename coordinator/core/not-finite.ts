/**
 * A step whose loss or parameters are not finite (P11): its samples leave the stage. One such step alone is skipped; after three in a row
 * the stage goes back to its last checkpoint; after three more at the same place, or when too many are skipped, the run fails,
 * and names the culprit. Where the step has ruined the committed parameters, which one column alone does not check, the stage goes back at once.
 *
 * Invariant: a step is skipped only while its samples are pending, so no committed parameters contain them.
 */

import { columnBatchMax, imagesPerStep } from '../../src/config/batch.js';
import { spellPeer } from '../../src/config/peer.js';
import { isTrainingStage } from '../../src/config/stage-kinds.js';
import { mergeRanges, subtractRanges, totalOf } from '../../src/data/shard-plan.js';
import type { WorkerMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import { stopSafely } from './ending.js';
import { rangesOf } from './grid.js';
import { abandonRound, isInRound, peerInRound, withdraw } from './lead-round.js';
import { skip } from './ledger.js';
import { goBack } from './rollback.js';
import { type Member, readyMembers } from './roster.js';
import type { Charge } from './round-sort.js';
import { type Divergence, isLost, type StageState } from './stage.js';
import { journal, log, report, setStage, stageOf, type Turn } from './turn.js';

/** The number of steps in a row that are not finite before the stage goes back, or the run ends. */
const IN_ROW_MAX = 3;
/** The number of ranges that may be skipped. Each is one more in the list of what the parameters contain. */
const SKIPPED_MAX = 256;

/**
 * Enters a report of such a step: of the round under way, or of the round that made the committed parameters. Others change nothing. Returns
 * a charge against a sender whose report cannot be true, or null.
 */
export function onNotFinite(turn: Turn, sender: Member, message: WorkerMessageOf<'worker.notFinite'>): Charge | null {
  const { stage } = turn.state;
  const { incarnation } = sender;
  if (!stage || !isTrainingStage(stage.recipe)) return null;
  const isUnderWay = stage.round?.id === message.round && isInRound(turn, incarnation);
  const isOfBase = stage.base.round > 0 && stage.base.round === message.round;
  if (!isUnderWay && !isOfBase) return null;
  const { batch, every } = stage.recipe;
  const all = [{ start: 0, end: stage.ledger.size * stage.ledger.epochs }];
  if (totalOf(message.ranges) > columnBatchMax(batch) || subtractRanges(message.ranges, all).length > 0) {
    return { type: 'untrue', incarnation, reason: 'it says that a step was not finite, and names samples that are not of one step' };
  }
  const peer = peerInRound(turn, incarnation) ?? holderOf(stage, sender);
  const roundSamples = every * imagesPerStep(batch, readyMembers(turn.state.roster, 'student').length);
  const next = nextDivergence(stage.divergence, { position: firstOf(message.ranges), nearby: 2 * roundSamples });
  const ranges = isUnderWay ? rangesOfStep(stage, message) : message.ranges;
  if (isUnderWay) withdraw(turn, sender, 'a step of it is not finite');
  if (next.isTooOften || isOfBase || isLost(stageOf(turn).base)) {
    abandonRound(turn, 'the stage goes back to its last checkpoint');
    goBack(turn);
  }
  setStage(turn, { divergence: next.divergence });
  const where = { peer, worker: sender.worker };
  skipPending(turn, { ranges, message: message.message }, where);
  const isOver = (next.isTooOften && next.hadGoneBack) || stageOf(turn).ledger.skipped.length > SKIPPED_MAX;
  if (isOver) fail(turn, message.message, where);
  return null;
}

/** The peer of the step, and the name of the worker that trained it. */
interface Culprit {
  readonly peer: string;
  readonly worker: string;
}

/** The peer whose committed parameters this member holds; that of the only row where nobody is noted any more. */
function holderOf({ base }: StageState, { incarnation }: Member): string {
  const held = [...base.peers].find(([, { holders }]) => holders.includes(incarnation));
  return held?.[0] ?? [...base.peers.keys()][0] ?? '';
}

function firstOf(ranges: readonly Range[]): number {
  return Math.min(...ranges.map(({ start }) => start));
}

/** The count after one more such step; `isTooOften`: it is the third in a row, and the count begins again. */
function nextDivergence(
  last: Divergence | null,
  { position, nearby }: { readonly position: number; readonly nearby: number },
): { readonly divergence: Divergence; readonly isTooOften: boolean; readonly hadGoneBack: boolean } {
  const isNear = last !== null && Math.abs(position - last.position) <= nearby;
  const inRow = isNear ? last.inRow + 1 : 1;
  const hadGoneBack = isNear && last.hasGoneBack;
  const isTooOften = inRow >= IN_ROW_MAX;
  return { divergence: { position, inRow: isTooOften ? 0 : inRow, hasGoneBack: hadGoneBack || isTooOften }, isTooOften, hadGoneBack };
}

/**
 * The samples of the step that its reporter means: where a loss is over the gathered batch, those of all its cells. Each of them then has
 * a loss that is not finite, and none knows by whose samples.
 */
function rangesOfStep({ round }: StageState, message: WorkerMessageOf<'worker.notFinite'>): readonly Range[] {
  return round?.sort === 'grid' && round.isWhole ? mergeRanges(rangesOf(round.grid)) : message.ranges;
}

interface SkippedStep {
  readonly ranges: readonly Range[];
  /** The words of the worker. */
  readonly message: string;
}

/** Takes the samples of the step that are pending out of the stage. */
function skipPending(turn: Turn, { ranges, message }: SkippedStep, { peer, worker }: Culprit): void {
  const { name: stage, ledger } = stageOf(turn);
  const pending = subtractRanges(ranges, subtractRanges(ranges, ledger.pending));
  log(turn, ['warn', 'step.skipped'], { stage, peer, worker, ranges: pending, message });
  if (pending.length === 0) return;
  setStage(turn, { ledger: skip(ledger, pending) });
  journal(turn, { type: 'skip', stage, peer, ranges: pending });
  report(turn, { type: 'skipped', stage, peer, worker, samples: totalOf(pending), message });
}

function fail(turn: Turn, message: string, { peer, worker }: Culprit): void {
  const { name: stage, ledger } = stageOf(turn);
  const how =
    ledger.skipped.length > SKIPPED_MAX
      ? `${totalOf(ledger.skipped)} samples in ${ledger.skipped.length} places were skipped`
      : `${IN_ROW_MAX} steps in a row were not finite, also after the stage had gone back`;
  const text = `worker ${worker}, ${spellPeer({ stage, peer })}: ${message} (${how})`;
  stopSafely(turn, { reason: text, failure: 'training.notFinite' });
}
