/**
 * The samples of a training stage: those that the committed parameters contain, those that wait to be trained, and those that
 * are lent to a round. Positions run over all epochs: [0, epochs * size).
 *
 * Invariant: contained, pending and lent are disjoint, and together they are all positions of the stage.
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
}

/** The ledger of a stage whose parameters contain `contained`; an empty one for a stage that trains nothing. */
export function openLedger(size: number, epochs: number, contained: readonly Range[]): Ledger {
  const whole = size * epochs > 0 ? [{ start: 0, end: size * epochs }] : [];
  return check({ size, epochs, contained: mergeRanges(contained), pending: subtractRanges(whole, contained), lent: [] });
}

/** The number of samples of the stage over all its epochs. */
export function samplesOf(ledger: Ledger): number {
  return ledger.size * ledger.epochs;
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

/** Makes all lent ranges part of the committed parameters. */
export function commitLent(ledger: Ledger): Ledger {
  return check({ ...ledger, contained: mergeRanges([...ledger.contained, ...ledger.lent]), lent: [] });
}

function check(ledger: Ledger): Ledger {
  const total = totalOf(ledger.contained) + totalOf(ledger.pending) + totalOf(ledger.lent);
  assert(total === samplesOf(ledger), `the ledger holds ${total} samples of ${samplesOf(ledger)}`);
  return ledger;
}
