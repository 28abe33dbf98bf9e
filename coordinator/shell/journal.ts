/**
 * The journal of commits and other records: one JSON line per record, each with a checksum, append-only. A crash can leave the
 * last line torn: it is dropped. Damage anywhere else is an error, because the records after it build on it.
 * Invariant: when `append` resolves, the record is in the file; a record that later records build on is on the disk.
 */

import { type FileHandle, open, readFile } from 'node:fs/promises';
import { assert } from '../../src/base/assert.js';
import { readJournalLine, writeJournalLine } from '../../src/checkpoint/journal-line.js';
import { hasCode, messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { JournalRecord } from '../core/types.js';
import { journalRecordSchema } from './journal-record.js';

export interface Journal {
  /** The records found when it was opened, oldest first. */
  readonly records: readonly JournalRecord[];
  /** Adds a record. Throws `run.unwritable`. */
  append(record: JournalRecord): Promise<void>;
  close(): Promise<void>;
}

/** A resumed run builds on these records, so they reach the disk before anything else happens. Commits follow with the next of these. */
const SYNCED: ReadonlySet<JournalRecord['type']> = new Set(['term', 'checkpoint', 'rollback', 'skip', 'stage-done', 'reopen', 'run-done']);

/**
 * Opens a journal and cuts off a torn last line; makes the file when it is missing. The caller closes the journal. Throws
 * `run.invalid`, with file and line, when it is damaged.
 */
export async function openJournal(file: string): Promise<Journal> {
  const { records, wholeBytes } = await readJournal(file);
  const handle = await open(file, 'a');
  await handle.truncate(wholeBytes);
  return {
    records,
    append: (record) => append(handle, file, record),
    close: () => handle.close(),
  };
}

/** The records of a journal and the number of bytes that they take; none when there is no file. Throws `run.invalid` as openJournal does. */
export async function readJournal(file: string): Promise<{ records: JournalRecord[]; wholeBytes: number }> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  });
  const lines = text.split('\n');
  // The text after the last line feed was not written to its end.
  const torn = lines.pop() ?? '';
  const records: JournalRecord[] = [];
  let newestTerm = 0;
  for (const [index, line] of lines.entries()) {
    const record = decodeLine(line);
    if (record === null) {
      throw new StillhouseError('run.invalid', 'this line of the journal is damaged', {
        file,
        line: index + 1,
        hint: 'To give up what was committed after it, cut the file before this line',
      });
    }
    // An older coordinator wrote on before it noticed that another had taken over: nobody acted on that record.
    if (record.term < newestTerm) continue;
    newestTerm = record.term;
    records.push(record);
  }
  return { records, wholeBytes: Buffer.byteLength(text) - Buffer.byteLength(torn) };
}

/** A record as its line, with the line feed. */
export function encodeLine(record: JournalRecord): string {
  assert(journalRecordSchema.safeParse(record).success, `the journal would not read this record: ${JSON.stringify(record)}`);
  return writeJournalLine(record);
}

function decodeLine(line: string): JournalRecord | null {
  return journalRecordSchema.safeParse(readJournalLine(line)).data ?? null;
}

async function append(handle: FileHandle, file: string, record: JournalRecord): Promise<void> {
  try {
    await handle.appendFile(encodeLine(record));
    if (SYNCED.has(record.type)) await handle.datasync();
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error;
    throw new StillhouseError('run.unwritable', `the journal cannot be written: ${messageOf(error)}`, { file, cause: error });
  }
}
