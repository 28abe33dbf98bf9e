/** summary.json: written at the end of a term, and read when a finished run is resumed. */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { hasCode, messageOf, StillhouseError } from '../../src/errors/stillhouse-error.js';
import type { RunSummary } from '../../src/protocol/parent.js';
import { writeFileAtomic } from './atomic-file.js';
import { calibrationSchema, trainingFactsSchema } from './journal-record.js';

const summarySchema: z.ZodType<RunSummary> = z.object({
  engine: z.string(),
  accuracy: z.record(z.string(), z.object({ last: z.number(), best: z.number(), epoch: z.number() })),
  testLoss: z.record(z.string(), z.number()).default({}),
  calibration: z.record(z.string(), calibrationSchema).default({}),
  training: z.record(z.string(), trainingFactsSchema).default({}),
  agreement: z.record(z.string(), z.record(z.string(), z.number())),
  waited: z.record(z.string(), z.number()),
  late: z.record(z.string(), z.number()).default({}),
  trainingLoss: z.record(z.string(), z.number()).default({}),
  skipped: z.record(z.string(), z.number()).default({}),
  models: z.record(z.string(), z.object({ parameters: z.number(), bytes: z.number(), millisecondsPerImage: z.number() })),
  imagesPerSecond: z.record(z.string(), z.number()),
  wireBytes: z.object({ control: z.number(), data: z.number() }),
  commits: z.number(),
  samplesCommitted: z.number(),
  restarts: z.number(),
  durationSeconds: z.number(),
});

/** Writes the summary. Throws `run.unwritable`. */
export function writeSummary(file: string, summary: RunSummary): Promise<void> {
  return writeFileAtomic(file, `${JSON.stringify(summary, null, 2)}\n`);
}

/** The summary; null when there is no file. Throws `run.invalid` when it is damaged. */
export async function readSummary(file: string): Promise<RunSummary | null> {
  try {
    return summarySchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw new StillhouseError('run.invalid', `the summary cannot be read: ${messageOf(error)}`, {
      file,
      hint: 'Without this file the run counts as finished all the same',
      cause: error,
    });
  }
}
