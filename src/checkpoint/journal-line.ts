/** A line of a run's journal: a record as JSON, with a checksum. The coordinator writes the journal (coordinator/shell/journal.ts); any process may read it. */

import { createHash } from 'node:crypto';

/** A record as its line, with the line feed. */
export function writeJournalLine(record: unknown): string {
  return `${JSON.stringify({ sum: checksum(record), record })}\n`;
}

/** The record in a line (without the line feed), of any type; null when the line is damaged. */
export function readJournalLine(line: string): unknown {
  try {
    const { sum, record } = JSON.parse(line) as { sum?: unknown; record?: unknown };
    return record === undefined || sum !== checksum(record) ? null : record;
  } catch {
    return null;
  }
}

const checksum = (record: unknown): string => createHash('sha256').update(JSON.stringify(record)).digest('hex').slice(0, 16);
