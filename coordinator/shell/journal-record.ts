/** The journal's records as they are read back: a line that is none of these is damage. */

import { z } from 'zod';
import { LIMITS } from '../../src/base/limits.js';
import { field, rangesSchema } from '../../src/protocol/field.js';
import type { JournalRecord } from '../core/types.js';

const evaluation = z.strictObject({
  epoch: field.finite,
  accuracy: field.finite,
  loss: field.finite,
  millisecondsPerImage: field.finite,
  parameters: field.count,
});

const stageResult = z.strictObject({
  stage: field.name,
  last: evaluation.nullable(),
  best: evaluation.nullable(),
  checkpoint: z.strictObject({ id: field.checkpoint, round: field.count, hash: field.hash }).nullable(),
  commits: field.count,
  samples: field.count,
  seconds: field.milliseconds,
});

export const journalRecordSchema: z.ZodType<JournalRecord> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('term'), term: field.term }),
  z.strictObject({
    type: z.literal('commit'),
    term: field.term,
    stage: field.name,
    round: field.round,
    contributors: z.array(field.incarnation).max(LIMITS.members),
    ranges: rangesSchema,
    hash: field.hash,
    committed: field.count,
  }),
  z.strictObject({
    type: z.literal('checkpoint'),
    term: field.term,
    id: field.checkpoint,
    stage: field.name,
    round: field.count,
    hash: field.hash,
  }),
  z.strictObject({
    type: z.literal('rollback'),
    term: field.term,
    stage: field.name,
    checkpoint: field.checkpoint.nullable(),
    committed: field.count,
  }),
  z.strictObject({ type: z.literal('evaluation'), term: field.term, stage: field.name, evaluation }),
  z.strictObject({ type: z.literal('stage-done'), term: field.term, result: stageResult }),
  z.strictObject({ type: z.literal('run-done'), term: field.term }),
]);
