/** A table over seeds as text of 80 columns: one table for each pair of references, and a line on how to read it. Pure. */

import { formatBytes, formatTable } from '../format-figure.js';
import type { PairedMargin, Spread } from './statistics.js';
import type { TableRow } from './table-row.js';

/** The gap between two columns. */
const GAP = '  ';

/** The text. `columns`: the width of the terminal; any, when left out. */
export function tableText(rows: readonly TableRow[], seeds: readonly number[], columns?: number): string {
  const groups = new Map<string, TableRow[]>();
  for (const row of rows) {
    const { baseline, kd } = row.references;
    const key = JSON.stringify([baseline, kd]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const tables = [...groups.values()].map((group) => formatTable(cellsOf(group), columns, GAP));
  return [...tables.flatMap((table) => [table, '']), ...legend(rows, seeds)].join('\n');
}

/** A table whose rows have the same references. A column that would be empty is left out. */
function cellsOf(rows: readonly TableRow[]): readonly (readonly string[])[] {
  const columns = [
    { head: 'stage', cells: rows.map(({ stage }) => stage) },
    { head: 'accuracy', cells: rows.map(({ accuracy }) => spread(accuracy)) },
    { head: `over ${rows[0]?.references.baseline}`, cells: rows.map(({ overBaseline }) => margin(overBaseline)) },
    { head: `over ${rows[0]?.references.kd}`, cells: rows.map(({ overKd }) => margin(overKd)) },
    { head: 'speed', cells: rows.map(({ speed }) => (speed === null ? '' : `${speed.toFixed(2)}x`)) },
    { head: 'a step', cells: rows.map(({ bytesPerStep }) => (bytesPerStep === null ? '' : formatBytes(bytesPerStep))) },
  ].filter(({ cells }) => cells.some((cell) => cell !== ''));
  return [columns.map(({ head }) => head), ...rows.map((_, i) => columns.map(({ cells }) => cells[i] ?? ''))];
}

function legend(rows: readonly TableRow[], seeds: readonly number[]): readonly string[] {
  const over = seeds.length === 1 ? `seed ${seeds[0]}` : `mean±standard deviation over the seeds ${seeds.join(', ')}`;
  const has = (is: (row: TableRow) => boolean): boolean => rows.some(is);
  return [
    `accuracy: % of the test images, ${over}`,
    ...(has(({ overBaseline, overKd }) => overBaseline !== null || overKd !== null)
      ? [`over: points, seed by seed; seeds with a gain${seeds.length === 1 ? '' : '; gain, drop: paired t test at 5 %'}`]
      : []),
    ...(has(({ speed }) => speed !== null) ? ['speed: images/s against those of plain distillation, in the same run'] : []),
    ...(has(({ bytesPerStep }) => bytesPerStep !== null) ? ['a step: knowledge that one step of a student takes from the teacher'] : []),
  ];
}

function spread({ mean, deviation }: Spread): string {
  // Without the sign of a zero.
  const shown = Number(mean.toFixed(1)) === 0 ? 0 : mean;
  return `${shown.toFixed(1)}${deviation === null ? '' : `±${deviation.toFixed(1)}`}`;
}

function margin(of: PairedMargin | null): string {
  if (of === null) return '';
  const text = spread(of);
  const verdict = of.verdict === null ? '' : ` ${of.verdict}`;
  return `${text.startsWith('-') ? '' : '+'}${text} ${of.positive}/${of.seeds}${verdict}`;
}
