/**
 * A line of a run's journal: a record as JSON, with the checksum of the line before it, and with a checksum of both, so that lines that were
 * taken out show. The coordinator writes the journal (coordinator/shell/journal.ts); any process may read it (journal-file.ts).
 */

import { createHash } from 'node:crypto';

/** The `after` of a line that no other is before. */
export const NO_LINE = '';

/** A line that is whole. */
export interface JournalLine {
  /** The checksum of the record and of `after`. */
  readonly sum: string;
  /** The checksum of the line that was the last one when this one was written; null where a program wrote it that did not say so. */
  readonly after: string | null;
  /** The record, of any type. */
  readonly record: unknown;
}

/** A record as its line, with the line feed. `after`: the checksum of the line before it, or {@link NO_LINE}; left out, the line does not say. */
export function writeJournalLine(record: unknown, after?: string): string {
  return `${JSON.stringify({ sum: checksumOf(record, after), ...(after === undefined ? {} : { after }), record })}\n`;
}

/** A line (without the line feed); null when it is damaged. */
export function readJournalLine(line: string): JournalLine | null {
  try {
    const { sum, after, record } = JSON.parse(line) as { sum?: unknown; after?: unknown; record?: unknown };
    if (after !== undefined && typeof after !== 'string') return null;
    if (record === undefined || typeof sum !== 'string' || sum !== checksumOf(record, after)) return null;
    return { sum, after: after ?? null, record };
  } catch {
    return null;
  }
}

/** The checksum of a line with this record. `after`: as in {@link writeJournalLine}. */
export function checksumOf(record: unknown, after = ''): string {
  return createHash('sha256')
    .update(after + JSON.stringify(record))
    .digest('hex')
    .slice(0, 16);
}
