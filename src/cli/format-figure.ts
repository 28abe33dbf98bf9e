/** Numbers and tables as text for people. Pure. */

/** A count: 52138 as "52,138". */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** The numbers of samples of the classes: "20 of each class", "3 to 20 of each class". */
export function formatClasses(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return `${least === most ? formatCount(least) : `${formatCount(least)} to ${formatCount(most)}`} of each of ${counts.length} classes`;
}

/** A number of bytes: 208552 as "203.7 KiB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** A number of seconds: 3725 as "1:02:05", 42 as "0:42". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/**
 * A table as lines of text. The first row is the heading. The first column is aligned left, the others right. A table that is wider than
 * `columnsMax` becomes several, one under the other, each with the first column.
 */
export function formatTable(rows: readonly (readonly string[])[], columnsMax = Number.POSITIVE_INFINITY, gap = '   '): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return partsOf(widths, columnsMax, gap)
    .map((part) => formatPart(rows, part, { widths, gap }))
    .join('\n\n');
}

/** The columns of each part. A column that does not fit beside the first one has a part of its own. */
function partsOf(widths: readonly number[], columnsMax: number, gap: string): readonly (readonly number[])[] {
  const parts: number[][] = [];
  let left = 0;
  for (const [column, width] of widths.entries()) {
    if (column === 0) continue;
    const part = parts.at(-1);
    left -= width + gap.length;
    if (part !== undefined && left >= 0) part.push(column);
    else {
      parts.push([0, column]);
      left = columnsMax - (widths[0] ?? 0) - width - gap.length;
    }
  }
  return parts.length === 0 ? [[0]] : parts;
}

interface Layout {
  readonly widths: readonly number[];
  readonly gap: string;
}

function formatPart(rows: readonly (readonly string[])[], columns: readonly number[], { widths, gap }: Layout): string {
  const lines = rows.map((row) =>
    columns
      .map((column) => {
        const cell = row[column] ?? '';
        return column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join(gap),
  );
  const rule = '-'.repeat(Math.max(...lines.map((line) => line.length)));
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}
