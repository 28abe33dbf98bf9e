/**
 * The journal of commits and other records: one JSON line per record, each with a checksum, append-only. A crash can leave the
 * last line torn: it is dropped. Damage anywhere else, and lines that were taken out, are an error, because the records after build on them.
 * Invariant: when `append` resolves, the record is in the file; a record that later records build on is on the disk.
 */

import type { Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { assert } from '../../src/base/assert.js';
import { damagedLine, readJournalFile } from '../../src/checkpoint/journal-file.js';
import { checksumOf, NO_LINE, writeJournalLine } from '../../src/checkpoint/journal-line.js';
import { messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { JournalRecord } from '../core/types.js';
import { journalRecordSchema } from './journal-record.js';
import { fileAt, journalReplaced, runGone } from './run-gone.js';

export interface Journal {
  /** The records found when it was opened, oldest first. */
  readonly records: readonly JournalRecord[];
  /** Adds a record. Throws `run.unwritable`, and `run.gone` when another file, or none, is in its place by now. */
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
  const { records, wholeBytes, last } = await read(file);
  const handle = await open(file, 'a');
  await handle.truncate(wholeBytes);
  return new OpenJournal({ file, handle, identity: identityOf(await handle.stat()), records, last });
}

/** The records of a journal; none when there is no file. Throws `run.invalid` as openJournal does. */
export async function readJournal(file: string): Promise<{ readonly records: JournalRecord[]; readonly wholeBytes: number }> {
  const { records, wholeBytes } = await read(file);
  return { records, wholeBytes };
}

/** `last`: the checksum of the last record. */
async function read(file: string): Promise<{ records: JournalRecord[]; wholeBytes: number; last: string }> {
  const { lines, wholeBytes } = await readJournalFile(file);
  const records: JournalRecord[] = [];
  for (const [index, { record, number }] of lines.entries()) {
    const known = journalRecordSchema.safeParse(record).data;
    if (known === undefined) throw await damagedLine(file, number, lines.slice(0, index));
    records.push(known);
  }
  return { records, wholeBytes, last: lines.at(-1)?.sum ?? NO_LINE };
}

interface OpenedFile {
  readonly file: string;
  readonly handle: FileHandle;
  readonly identity: string;
  readonly records: readonly JournalRecord[];
  readonly last: string;
}

class OpenJournal implements Journal {
  readonly records: readonly JournalRecord[];
  readonly #file: string;
  readonly #handle: FileHandle;
  /** Says which file is in the journal's place. */
  readonly #identity: string;
  #last: string;

  constructor({ file, handle, identity, records, last }: OpenedFile) {
    this.records = records;
    this.#file = file;
    this.#handle = handle;
    this.#identity = identity;
    this.#last = last;
  }

  async append(record: JournalRecord): Promise<void> {
    assert(journalRecordSchema.safeParse(record).success, `the journal would not read this record: ${JSON.stringify(record)}`);
    const found = fileAt(this.#file);
    if (found === null) throw runGone(dirname(this.#file));
    if (found !== 'unknown' && identityOf(found) !== this.#identity) throw journalReplaced(this.#file);
    try {
      await this.#handle.appendFile(writeJournalLine(record, this.#last));
      if (SYNCED.has(record.type)) await this.#handle.datasync();
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error)) throw error;
      throw new StillhouseError('run.unwritable', `the journal cannot be written: ${messageOf(error)}`, { file: this.#file, cause: error });
    }
    this.#last = checksumOf(record, this.#last);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** Tells a file from every other. */
const identityOf = ({ dev, ino }: Stats): string => `${dev}:${ino}`;
