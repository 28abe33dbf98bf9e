/**
 * The samples of a training stage: those that the committed parameters contain, those that wait to be trained, those that
 * are lent to a round, and those that no step can train. Positions run over all epochs: [0, epochs * size).
 *
 * Invariant: contained, pending, lent and skipped are disjoint, and together they are all positions of the stage.
 */

import { assert } from '../../src/base/assert.js';
import { mergeRanges, subtractRanges, takeRanges, totalOf } from '../../src/data/shard-plan.js';
import type { Range } from '../../src/protocol/field.js';

export interface Ledger {
  /** The number of samples of an epoch; the number of epochs. */
  readonly size: number;
  readonly epochs: number;
  readonly contained: readonly Range[];
  readonly pending: readonly Range[];
  /** Lent to the round under way. */
  readonly lent: readonly Range[];
  /** Taken out of the stage, because a step with them was not finite. They stay out when the stage goes back. */
  readonly skipped: readonly Range[];
}

/** The ledger of a stage whose parameters contain `contained`, whatever was skipped; an empty one for a stage that trains nothing. */
export function openLedger({ size, epochs, contained, skipped }: Pick<Ledger, 'size' | 'epochs' | 'contained' | 'skipped'>): Ledger {
  const whole = size * epochs > 0 ? [{ start: 0, end: size * epochs }] : [];
  const left = subtractRanges(skipped, contained);
  const pending = subtractRanges(whole, [...contained, ...left]);
  return check({ size, epochs, contained: mergeRanges(contained), pending, lent: [], skipped: left });
}

/** The number of samples that the stage is to train, over all its epochs: all but the skipped ones. */
export function samplesOf({ size, epochs, skipped }: Ledger): number {
  return size * epochs - totalOf(skipped);
}

/** The number of epochs of which no sample is left to train. */
export function epochsDone({ size, epochs, pending, lent }: Ledger): number {
  const first = Math.min(...[...pending, ...lent].map(({ start }) => start));
  return Number.isFinite(first) ? Math.floor(first / size) : epochs;
}

/** The number of samples that the committed parameters contain. */
export function committedOf(ledger: Ledger): number {
  return totalOf(ledger.contained);
}

/** Lends up to `count` of the earliest pending positions, all of one epoch. Asserts that nothing is lent. */
export function lend(ledger: Ledger, count: number): { readonly ledger: Ledger; readonly ranges: readonly Range[] } {
  assert(ledger.lent.length === 0, 'a round is lent while another is out');
  const first = ledger.pending[0];
  if (first === undefined) return { ledger, ranges: [] };
  const epochEnd = (Math.floor(first.start / ledger.size) + 1) * ledger.size;
  const inEpoch = ledger.pending.reduce((sum, range) => sum + Math.max(0, Math.min(range.end, epochEnd) - range.start), 0);
  const { taken, rest } = takeRanges(ledger.pending, Math.min(count, inEpoch));
  return { ledger: check({ ...ledger, pending: rest, lent: taken }), ranges: taken };
}

/** Gives ranges of the round that will not be committed back to the queue. */
export function giveBack(ledger: Ledger, ranges: readonly Range[]): Ledger {
  return check({ ...ledger, lent: subtractRanges(ledger.lent, ranges), pending: mergeRanges([...ledger.pending, ...ranges]) });
}

/** Takes pending ranges out of the stage for good. */
export function skip(ledger: Ledger, ranges: readonly Range[]): Ledger {
  const skipped = mergeRanges([...ledger.skipped, ...ranges]);
  return check({ ...ledger, pending: subtractRanges(ledger.pending, ranges), skipped });
}

/** Makes all lent ranges part of the committed parameters. */
export function commitLent(ledger: Ledger): Ledger {
  return check({ ...ledger, contained: mergeRanges([...ledger.contained, ...ledger.lent]), lent: [] });
}

function check(ledger: Ledger): Ledger {
  const total = totalOf(ledger.contained) + totalOf(ledger.pending) + totalOf(ledger.lent);
  assert(total === samplesOf(ledger), `the ledger holds ${total} samples of ${samplesOf(ledger)}`);
  return ledger;
}
