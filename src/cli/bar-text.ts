/** A progress bar as a line of text that fits the terminal. Pure. */

import type { Figure } from './report-text.js';

export interface Bar {
  readonly stage: string;
  /** From 0 to 1. */
  readonly share: number;
  /** In the order in which they are shown. */
  readonly figures: readonly Figure[];
}

/** Terminals from this width have room for a long bar. */
const WIDE_COLUMNS = 100;
const LONG_BAR = 20;
const SHORT_BAR = 8;

/** The line of a bar, shorter than `columns`. The figures that matter least are left out where there is no room for all. */
export function barText({ stage, share, figures }: Bar, columns: number): string {
  const width = columns >= WIDE_COLUMNS ? LONG_BAR : SHORT_BAR;
  const full = Math.floor(share * width);
  const head = `${stage.padEnd(10)} [${'='.repeat(full).padEnd(width)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
  const byRank = [...figures].sort((a, b) => a.rank - b.rank);
  for (let count = byRank.length; count > 0; count--) {
    const kept = byRank.slice(0, count);
    const line = `${head} ${figures
      .filter((figure) => kept.includes(figure))
      .map(({ text }) => text)
      .join(', ')}`;
    if (line.length < columns) return line;
  }
  return head.slice(0, Math.max(0, columns - 1));
}
