/** What a run leaves behind in its folder, read for tests. */

import { readFileSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import type { JournalRecord } from '../../coordinator/core/types.js';
import { readJournal } from '../../coordinator/shell/journal.js';
import { runFolderAt } from '../../coordinator/shell/run-folder.js';
import { present } from '../../src/base/assert.js';
import type { RunSummary } from '../../src/protocol/parent.js';

export type RecordOf<T extends JournalRecord['type']> = Extract<JournalRecord, { type: T }>;

/** The records of this type, oldest first. */
export async function journalOf<T extends JournalRecord['type']>(run: string, type: T): Promise<readonly RecordOf<T>[]> {
  const { records } = await readJournal(runFolderAt(run).journal);
  return records.filter((record): record is RecordOf<T> => record.type === type);
}

export function summaryOf(run: string): RunSummary {
  return JSON.parse(readFileSync(runFolderAt(run).summary, 'utf8')) as RunSummary;
}

/** A file of JSON lines. Throws at a line that is none. */
export function jsonLines(file: string): readonly Readonly<Record<string, unknown>>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The lines of the coordinator's log about this event. */
export function logged(run: string, event: string): readonly Readonly<Record<string, unknown>>[] {
  return jsonLines(runFolderAt(run).log).filter((line) => line.event === event);
}

/** Waits for the next line of a worker's log about this event. */
export function nextLogged(run: string, worker: string, event: string): Promise<void> {
  const file = join(run, `${worker}.log.jsonl`);
  // The last line may still be on its way.
  const count = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .filter((line) => (JSON.parse(line) as { readonly event?: unknown }).event === event).length;
  const before = count();
  return new Promise((resolve) => {
    const watcher = watch(dirname(file), () => {
      if (count() === before) return;
      watcher.close();
      resolve();
    });
  });
}

/** The first line of the coordinator's log about this event that has these values; such a line must be there. */
export function loggedOnce(run: string, event: string, values: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const found = logged(run, event).find((line) => Object.entries(values).every(([key, value]) => line[key] === value));
  return present(found, `a line ${event} ${JSON.stringify(values)} in the log`);
}
