/**
 * Reads the journal of a run. Any process may, also while the run goes on.
 *
 * Invariants: a line counts only when the lines before it are those that its writer had before it; a line of an older term after one of a
 * newer term does not count, and nor does one that the newer term had not read; the text after the last line feed was not written to its end.
 */

import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { hasCode, StillhouseError } from '../errors/stillhouse-error.js';
import { field } from '../protocol/field.js';
import { type JournalLine, NO_LINE, readJournalLine } from './journal-line.js';
import { CHECKPOINT_FOLDER } from './require-run-folder.js';
import type { JournalLines } from './round-left.js';
import { spellWayOn, unknownOfAll } from './way-on.js';

/** A line that counts. */
export interface CountedLine extends JournalLine {
  /** Its place in the file, from 1. */
  readonly number: number;
  readonly term: number;
}

export interface JournalFile {
  /** Oldest first; none when there is no file. */
  readonly lines: readonly CountedLine[];
  /** The number of bytes of all lines that were written to their end. */
  readonly wholeBytes: number;
  /** Whether there is such a file. */
  readonly isThere: boolean;
}

/** The part of a record of any type that says which coordinator wrote it. */
const writtenSchema = z.object({ term: field.term });

/** Reads the lines. Throws `run.invalid`, with file and line, when one is damaged, or lines before it are missing. */
export async function readJournalFile(file: string): Promise<JournalFile> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  });
  if (text === null) return { lines: [], wholeBytes: 0, isThere: false };
  const written = text.split('\n');
  const torn = written.pop() ?? '';
  const lines: CountedLine[] = [];
  // Lines that do not follow those before them are void if a newer term has followed these: its coordinator cut off a line that an older
  // one was about to write on after. Otherwise lines are missing.
  let gapAt: number | null = null;
  let gapTerm = 0;
  for (const [index, own] of written.entries()) {
    const number = index + 1;
    const line = readJournalLine(own);
    const term = writtenSchema.safeParse(line?.record).data?.term;
    if (line === null || term === undefined)
      throw await (gapAt === null ? damagedLine(file, number, lines) : linesMissing(file, gapAt, lines));
    const newest = Math.max(lines.at(-1)?.term ?? 0, gapTerm);
    // An older coordinator wrote on before it noticed that another had taken over: nobody acted on that record.
    if (term < newest) continue;
    const known = knownTo(lines, line);
    const follows = gapAt === null ? known === lines.length || term > newest : term > newest && line.after !== null;
    if (known === null || !follows) {
      gapAt ??= number;
      gapTerm = term;
      continue;
    }
    gapAt = null;
    lines.splice(known, lines.length, { ...line, number, term });
  }
  if (gapAt !== null) throw await linesMissing(file, gapAt, lines);
  return { lines, wholeBytes: Buffer.byteLength(text) - Buffer.byteLength(torn), isThere: true };
}

/** The number of lines that the writer of this one had before it; null when they are not there. */
function knownTo(lines: readonly CountedLine[], { after }: JournalLine): number | null {
  if (after === null) return lines.length;
  if (after === NO_LINE) return 0;
  const last = lines.findLastIndex(({ sum }) => sum === after);
  return last < 0 ? null : last + 1;
}

/** The error of a damaged line. `before`: the lines before it. */
export function damagedLine(file: string, line: number, before: JournalLines): Promise<StillhouseError> {
  return unusable({ file, line, before }, 'this line of the journal is damaged');
}

function linesMissing(file: string, line: number, before: JournalLines): Promise<StillhouseError> {
  return unusable({ file, line, before }, 'lines of the journal are missing before this one');
}

interface Fault {
  readonly file: string;
  readonly line: number;
  readonly before: JournalLines;
}

async function unusable({ file, line, before }: Fault, what: string): Promise<StillhouseError> {
  const left = { checkpoints: join(dirname(resolve(file)), CHECKPOINT_FOLDER), lines: before };
  const unknown = await unknownOfAll(left);
  const rest = unknown.length === 0 ? '. The run then goes on from there' : `, and ${await spellWayOn(left, unknown)}`;
  return new StillhouseError('run.invalid', what, {
    file: resolve(file),
    line,
    hint: `Put a whole copy of the file back. Without one, keep its first ${line === 2 ? 'line' : `${line - 1} lines`}${rest}`,
  });
}
