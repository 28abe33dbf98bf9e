/** The speed of the stages of a run, from the lines of its metrics.jsonl. Pure. */

import { z } from 'zod';
import { medianOf } from './statistics.js';

const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), time: z.iso.datetime(), stage: z.string(), committed: z.number() }),
  z.object({ type: z.literal('run-started') }),
  z.object({ type: z.literal('rollback') }),
]);

/**
 * By stage, the median of the images a second of its rounds. The first round of a stage has no rate, nor has one after a pause or a way
 * back; a stage without a rate is left out. A line that a crash has torn is left out too.
 */
export function ratesOf(metrics: string): Readonly<Record<string, number>> {
  const rates = new Map<string, number[]>();
  const reports = metrics.split('\n').flatMap((line) => reportOf(line) ?? []);
  for (const [i, report] of reports.entries()) {
    const before = reports[i - 1];
    if (report.type !== 'progress' || before?.type !== 'progress' || before.stage !== report.stage) continue;
    const [ms, images] = [Date.parse(report.time) - Date.parse(before.time), report.committed - before.committed];
    if (ms <= 0 || images <= 0) continue;
    rates.set(report.stage, [...(rates.get(report.stage) ?? []), (1000 * images) / ms]);
  }
  return Object.fromEntries([...rates].map(([stage, values]) => [stage, medianOf(values) ?? 0]));
}

function reportOf(line: string): z.infer<typeof lineSchema> | null {
  try {
    return lineSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
