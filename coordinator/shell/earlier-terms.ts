/** The time that earlier terms of a run took, from metrics.jsonl, which killed terms wrote as well. */

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { hasCode } from '../../src/errors/stillhouse-error.js';

const lineSchema = z.object({ time: z.iso.datetime(), type: z.string() });

/** The seconds from the first report of each term to its last one, summed; 0 when there is no such file. */
export async function secondsOfEarlierTerms(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  });
  let totalMs = 0;
  let lastMs: number | null = null;
  for (const line of text.split('\n')) {
    const report = reportOf(line);
    if (report === null) continue;
    const ms = Date.parse(report.time);
    // The wall clock may have been set back.
    if (lastMs !== null && report.type !== 'run-started') totalMs += Math.max(0, ms - lastMs);
    lastMs = ms;
  }
  return totalMs / 1000;
}

function reportOf(line: string): z.infer<typeof lineSchema> | null {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch (error) {
    // A crash can tear a line.
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
