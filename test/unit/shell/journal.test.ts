/** Lines that are appended are read back; a torn end is dropped, damage anywhere else is an error with its line. */

import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JournalRecord } from '../../../coordinator/core/types.js';
import { openJournal, readJournal } from '../../../coordinator/shell/journal.js';
import { asIncarnation, asRoundId, asTerm } from '../../../src/base/ids.js';
import { readJournalFile } from '../../../src/checkpoint/journal-file.js';
import { writeJournalLine } from '../../../src/checkpoint/journal-line.js';
import { ACCURACY_ALONE } from '../../support/no-facts.js';
import { scratchFolder } from './scratch-folder.js';

const evaluation = {
  peer: 'model',
  epoch: 1,
  round: 1,
  accuracy: 0.5,
  loss: 1.25,
  millisecondsPerImage: 0.1,
  parameters: 40,
  agreement: {},
  ...ACCURACY_ALONE,
};
const HASH = 'ab'.repeat(32);
const term = asTerm(1);

/** One record of each type. */
const RECORDS: readonly JournalRecord[] = [
  { type: 'term', term },
  {
    type: 'commit',
    term,
    stage: 'base',
    round: asRoundId(1),
    contributors: [asIncarnation(1), asIncarnation(2)],
    ranges: [{ start: 0, end: 64 }],
    hashes: { model: HASH, other: null },
    committed: 64,
    lockstep: { model: { trainMs: 12.5, waitedMs: 2.5, late: 1 } },
    losses: { model: 0.5 },
  },
  { type: 'checkpoint', term, stage: 'base', round: 1, hashes: { model: HASH } },
  { type: 'evaluation', term, stage: 'base', evaluation },
  { type: 'rollback', term, stage: 'base', round: null, committed: 0 },
  {
    type: 'stage-done',
    term,
    result: {
      stage: 'base',
      tests: [{ last: evaluation, best: evaluation }],
      checkpoint: { round: 1, hashes: { model: HASH } },
      best: { model: { round: 1, epoch: 1, accuracy: 0.5, hash: HASH } },
      commits: 1,
      samples: 64,
      waited: { model: 0.25 },
      late: { model: 3 },
      losses: { model: 0.5 },
      skipped: 16,
      seconds: 2.5,
    },
  },
  { type: 'run-done', term },
];

async function written(records: readonly JournalRecord[] = RECORDS): Promise<string> {
  const file = join(scratchFolder(), 'journal');
  const journal = await openJournal(file);
  for (const record of records) await journal.append(record);
  await journal.close();
  return file;
}

test('every type of record is read back, in order, and more can be added', async () => {
  const file = await written();
  const journal = await openJournal(file);
  expect(journal.records).toEqual(RECORDS);
  await journal.append({ type: 'term', term: asTerm(2) });
  await journal.close();
  expect((await readJournal(file)).records).toEqual([...RECORDS, { type: 'term', term: 2 }]);
});

test('a missing file is an empty journal, and reading makes none', async () => {
  const file = join(scratchFolder(), 'journal');
  expect(await readJournal(file)).toEqual({ records: [], wholeBytes: 0 });
  await expect((async () => readFileSync(file))()).rejects.toMatchObject({ code: 'ENOENT' });
});

test('cut at any byte, the whole lines before it are read and can be added to', async () => {
  const file = await written();
  const whole = readFileSync(file);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: whole.length }), async (size) => {
      writeFileSync(file, whole.subarray(0, size));
      const lines = whole.subarray(0, size).toString().split('\n').length - 1;
      const journal = await openJournal(file);
      expect(journal.records).toEqual(RECORDS.slice(0, lines));
      await journal.append({ type: 'term', term });
      await journal.close();
      expect((await readJournal(file)).records).toEqual([...RECORDS.slice(0, lines), { type: 'term', term }]);
    }),
    { numRuns: 200 },
  );
});

test('zeros behind the last line, as a power cut leaves them, are dropped', async () => {
  const file = await written();
  appendFileSync(file, new Uint8Array(300));
  expect((await readJournal(file)).records).toEqual(RECORDS);
});

describe('damage', () => {
  test('a flipped bit in any line is an error with its line', async () => {
    const file = await written();
    const whole = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length - 1 }), fc.integer({ min: 0, max: 7 }), async (place, bit) => {
        const flipped = Buffer.from(whole);
        flipped[place] = (flipped[place] ?? 0) ^ (1 << bit);
        writeFileSync(file, flipped);
        const read = readJournal(file);
        // The last line feed is what makes the last line whole.
        if (place === whole.length - 1) {
          expect((await read).records).toEqual(RECORDS.slice(0, -1));
          return;
        }
        const line = whole.subarray(0, place).toString().split('\n').length;
        const failure = await read.then(
          ({ records }) => records,
          (error: unknown) => error,
        );
        // A line feed that became another character joins two lines: the first of them is named.
        if (Array.isArray(failure)) expect(failure).toEqual(RECORDS);
        else expect(failure).toMatchObject({ code: 'run.invalid', details: { file, line } });
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    ['an empty line', '\n'],
    ['no JSON', 'hello\n'],
    ['null', 'null\n'],
    ['no checksum', `${JSON.stringify({ record: { type: 'term', term: 1 } })}\n`],
    [
      'another line before it than it was written with',
      writeJournalLine({ type: 'term', term: asTerm(1) }, 'ab').replace('"after":"ab"', '"after":"cd"'),
    ],
    [
      'none before it, where it was written with one',
      writeJournalLine({ type: 'term', term: asTerm(1) }, 'ab').replace('"after":"ab",', ''),
    ],
    ['a foreign checksum', writeJournalLine({ type: 'term', term: asTerm(1) }).replace('"term":1', '"term":2')],
  ])('%s in the middle', async (_, line) => {
    const file = await written();
    const lines = readFileSync(file, 'utf8').split(/(?<=\n)/);
    writeFileSync(file, [lines[0], line, ...lines.slice(1)].join(''));
    await expect(openJournal(file)).rejects.toMatchObject({
      code: 'run.invalid',
      details: { line: 2 },
      message: expect.stringContaining('this line of the journal is damaged'),
    });
    // It is not touched: a person can look at it.
    expect(readFileSync(file, 'utf8')).toContain(line);
  });
});

test('an evaluation without a peer is that of the one peer', async () => {
  const { peer: _, ...unnamed } = evaluation;
  const file = await written([]);
  appendFileSync(file, writeJournalLine({ type: 'evaluation', term, stage: 'base', evaluation: unnamed } as JournalRecord));
  expect((await readJournal(file)).records).toEqual([{ type: 'evaluation', term, stage: 'base', evaluation }]);
});

test('a commit without the cost of lockstep, as older programs wrote it, is read', async () => {
  const commit = RECORDS.find((record) => record.type === 'commit');
  const { lockstep: _, ...older } = commit as Extract<JournalRecord, { type: 'commit' }>;
  const file = await written([]);
  appendFileSync(file, writeJournalLine(older as JournalRecord));
  expect((await readJournal(file)).records).toEqual([{ ...older, lockstep: {} }]);
});

test('what an older term wrote after a newer one had begun is void', async () => {
  const old: JournalRecord = { type: 'evaluation', term: asTerm(1), stage: 'base', evaluation };
  const file = await written([{ type: 'term', term: asTerm(1) }]);
  const older = await openJournal(file);
  const newer = await openJournal(file);
  await newer.append({ type: 'term', term: asTerm(2) });
  await older.append(old);
  await newer.append({ type: 'run-done', term: asTerm(2) });
  expect((await readJournal(file)).records.map((record) => [record.type, record.term])).toEqual([
    ['term', 1],
    ['term', 2],
    ['run-done', 2],
  ]);
  for (const journal of [older, newer]) await journal.close();
});

test('a line of an older term that the newer one had not read is void', async () => {
  const file = await written([{ type: 'term', term: asTerm(1) }]);
  const older = await openJournal(file);
  const newer = await openJournal(file);
  await older.append({ type: 'evaluation', term: asTerm(1), stage: 'base', evaluation });
  await newer.append({ type: 'term', term: asTerm(2) });
  for (const journal of [older, newer]) await journal.close();
  expect((await readJournal(file)).records.map(({ type }) => type)).toEqual(['term', 'term']);
});

test('a line that an older term wrote after one that the newer term cut off is void', async () => {
  const file = await written([{ type: 'term', term: asTerm(1) }]);
  const older = await openJournal(file);
  const kept = readFileSync(file).length;
  const evaluated: JournalRecord = { type: 'evaluation', term: asTerm(1), stage: 'base', evaluation };
  await older.append(evaluated);
  truncateSync(file, kept);
  const newer = await openJournal(file);
  await older.append(evaluated);
  await newer.append({ type: 'term', term: asTerm(2) });
  await newer.append({ type: 'run-done', term: asTerm(2) });
  for (const journal of [older, newer]) await journal.close();
  expect((await readJournal(file)).records.map((record) => [record.type, record.term])).toEqual([
    ['term', 1],
    ['term', 2],
    ['run-done', 2],
  ]);
});

describe('lines that were taken out', () => {
  test('are missed too where a newer term wrote on after them', async () => {
    const file = await written();
    const journal = await openJournal(file);
    await journal.append({ type: 'term', term: asTerm(2) });
    await journal.append({ type: 'run-done', term: asTerm(2) });
    await journal.close();
    const whole = readFileSync(file, 'utf8').split(/(?<=\n)/);
    writeFileSync(file, whole.toSpliced(2, 1).join(''));
    await expect(readJournal(file)).rejects.toMatchObject({
      details: { line: 3 },
      message: expect.stringContaining('lines of the journal are missing before this one'),
    });
  });

  test('are missed at the line after them, by every reader', async () => {
    const file = await written();
    const whole = readFileSync(file, 'utf8').split(/(?<=\n)/);
    for (const [first, count] of [
      [0, 1],
      [2, 1],
      [1, 3],
    ] as const) {
      writeFileSync(file, whole.toSpliced(first, count).join(''));
      const missed = {
        code: 'run.invalid',
        details: { file, line: first + 1 },
        message: expect.stringMatching(
          `^${file}:${first + 1}: lines of the journal are missing before this one. Put a whole copy of the file back. Without one, keep its first ${first === 1 ? 'line' : `${first} lines`}`,
        ),
      };
      await expect(readJournal(file)).rejects.toMatchObject(missed);
      await expect(readJournalFile(file)).rejects.toMatchObject(missed);
    }
  });

  test('so are lines that change places, and one that is there twice', async () => {
    const file = await written();
    const [first = '', second = '', third = '', ...rest] = readFileSync(file, 'utf8').split(/(?<=\n)/);
    writeFileSync(file, [first, third, second, ...rest].join(''));
    await expect(readJournal(file)).rejects.toMatchObject({ details: { line: 2 } });
    writeFileSync(file, [first, second, second, third, ...rest].join(''));
    await expect(readJournal(file)).rejects.toMatchObject({ details: { line: 3 } });
  });

  test('are not missed among lines that do not name the one before, as an older program wrote them', async () => {
    const file = await written([]);
    appendFileSync(file, [RECORDS[0], RECORDS[2]].map((record) => writeJournalLine(record)).join(''));
    const journal = await openJournal(file);
    await journal.append({ type: 'run-done', term });
    await journal.close();
    expect((await readJournal(file)).records.map(({ type }) => type)).toEqual(['term', 'checkpoint', 'run-done']);
  });
});

describe('another file, or none, in the place of the journal while it is open', () => {
  test.each([
    ['none', (file: string) => rmSync(file), /the run's folder or its journal was deleted or moved/],
    [
      'a copy',
      (file: string) => {
        copyFileSync(file, `${file}.copy`);
        renameSync(`${file}.copy`, file);
      },
      /journal: the journal was replaced by another file.* If the new file is a whole journal.*, resume the run/,
    ],
  ])('%s: nothing is appended', async (_, replace, message) => {
    const file = await written();
    const journal = await openJournal(file);
    replace(file);
    await expect(journal.append({ type: 'run-done', term })).rejects.toMatchObject({
      code: 'run.gone',
      message: expect.stringMatching(message),
    });
    await journal.close();
    expect((await readJournalFile(file)).lines.length).toBe(existsSync(file) ? RECORDS.length : 0);
  });
});

test('a disk that cannot tell which file is there is no end: the record is written to the open file', async () => {
  const file = await written([]);
  const journal = await openJournal(file);
  renameSync(file, `${file}.own`);
  // The look-up fails with ELOOP.
  symlinkSync(file, file);
  await journal.append({ type: 'run-done', term });
  await journal.close();
  expect((await readJournal(`${file}.own`)).records).toEqual([{ type: 'run-done', term }]);
});

test('a record that could not be read back is not written', async () => {
  const file = await written([]);
  const journal = await openJournal(file);
  const bad: JournalRecord = { type: 'evaluation', term, stage: 'base', evaluation: { ...evaluation, loss: Number.NaN } };
  await expect(journal.append(bad)).rejects.toThrow('would not read');
  await journal.close();
  expect(readFileSync(file, 'utf8')).toBe('');
});

test('a journal cut back is not longer afterwards', async () => {
  const file = await written();
  const { length } = readFileSync(file);
  truncateSync(file, length - 3);
  await (await openJournal(file)).close();
  expect((await readJournal(file)).wholeBytes).toBe(readFileSync(file).length);
});
