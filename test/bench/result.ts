/** What came of a row: the line of JSON, the table for people, and the raw figures. Pure. */

import type { Exchange, KnowledgeBytes } from './protocol.js';
import type { Spread } from './statistics.js';

/** One turn of one side. */
export interface Turn {
  readonly steps: number;
  readonly seconds: number;
  readonly processorSeconds: number;
  /** Processor seconds that the sides whose turn it was not have taken meanwhile; null where that cannot be seen. */
  readonly idleProcessorSeconds: number | null;
  /** Processor seconds that all other processes of the machine have taken. */
  readonly foreignProcessorSeconds: number;
  /** The traffic between the side's own processes; null for a side that is one process. */
  readonly exchange: Exchange | null;
}

export interface SideResult {
  readonly name: string;
  /** Steps, seconds of the steps that were dropped. */
  readonly warmUp: { readonly steps: number; readonly seconds: number };
  readonly turns: readonly Turn[];
  /** Images per second of each turn, and their median. */
  readonly rates: readonly number[];
  readonly rate: number;
  /** Images per processor second of each turn. */
  readonly processorRates: readonly number[];
}

export interface Measured {
  readonly row: string;
  /** Of ours over the anchor's rate, turn by turn. */
  readonly ratio: Spread;
  /** Of images per processor second: what counts on a busy machine, if each side has one thread and none spins. */
  readonly processorRatio: Spread;
  /** The time of a step that ours is to take at most, over that of the anchor's; null where nothing is said of it. */
  readonly timeMost: number | null;
  readonly ours: SideResult;
  readonly anchor: SideResult;
  /** Anchors that were slower. */
  readonly others: readonly SideResult[];
  /** The size of what a step of ours takes from its teacher, in the rows that are about it; otherwise null. */
  readonly knowledge: KnowledgeBytes | null;
  /** Anchors that could not take part, and why; a side that was not idle when it should have been; a busy machine; the traffic of a side. */
  readonly notes: readonly string[];
}

/** No speed is told of a row whose sides compute different things, or fail on the way. */
export interface Failed {
  readonly row: string;
  readonly failed: string;
}

export interface Skipped {
  readonly row: string;
  readonly skipped: string;
}

export type RowResult = Measured | Failed | Skipped;

/** The row's line with --json. Rates in images per second; four significant digits. */
export function jsonLine(result: RowResult): string {
  if ('skipped' in result) return JSON.stringify({ row: result.row, skipped: result.skipped });
  if ('failed' in result) return JSON.stringify({ row: result.row, failed: result.failed });
  const { row, ratio, timeMost, ours, anchor, knowledge } = result;
  return JSON.stringify({
    row,
    ratio: rounded(ratio.median),
    min: rounded(ratio.min),
    max: rounded(ratio.max),
    ours: rounded(ours.rate),
    anchor: rounded(anchor.rate),
    anchorName: anchor.name,
    ...knowledge,
    ...(timeMost === null ? {} : { timeMost, isTooSlow: isTooSlow(result) }),
  });
}

/** Whether the median says that a step of ours takes more of the anchor's time than it is to take. */
function isTooSlow({ ratio, timeMost }: Measured): boolean {
  return timeMost !== null && 1 / ratio.median > timeMost;
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

/** All rows, for people: aligned columns, and below them what must be known about a row. */
export function table(results: readonly RowResult[]): string {
  const hasKnowledge = results.some((result) => 'knowledge' in result && result.knowledge !== null);
  const head = ['row', 'ratio', 'min - max', 'ours', 'anchor', ...(hasKnowledge ? ['bytes', 'reckoned'] : []), 'images/s of'];
  const cells = [head, ...results.map((result) => cellsOf(result, hasKnowledge))];
  // What stands last in a line has no width: a reason may be long.
  const widths = head.map((_, column) => Math.max(...cells.map((line) => (column < line.length - 1 ? (line[column]?.length ?? 0) : 0))));
  const lines = cells.map((line) =>
    line
      .map((text, column) => (/^\d/.test(text) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  const notes = results.flatMap((result) => ('notes' in result ? notesOf(result).map((note) => `${result.row}: ${note}`) : []));
  return [...lines, ...notes, ''].join('\n');
}

function notesOf(result: Measured): readonly string[] {
  const { ratio, timeMost, notes } = result;
  return isTooSlow(result)
    ? [`TOO SLOW: a step takes ${(1 / ratio.median).toFixed(2)} of the anchor's time, of at most ${timeMost}`, ...notes]
    : notes;
}

/** With the size of the knowledge where a row of the table has it. */
function cellsOf(result: RowResult, hasKnowledge: boolean): string[] {
  if ('skipped' in result) return [result.row, `skipped: ${result.skipped}`];
  if ('failed' in result) return [result.row, result.failed];
  const { row, ratio, ours, anchor, others, knowledge } = result;
  const names = [`${ours.name} against ${anchor.name}`, ...others.map(({ name, rate }) => `${name} ${speed(rate)}`)];
  return [
    row,
    ratio.median.toFixed(2),
    `${ratio.min.toFixed(2)} - ${ratio.max.toFixed(2)}`,
    speed(ours.rate),
    speed(anchor.rate),
    ...(hasKnowledge ? [knowledge?.bytes, knowledge?.reckoned].map((bytes) => bytes?.toString() ?? '') : []),
    names.join('; '),
  ];
}

function speed(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toPrecision(3);
}
