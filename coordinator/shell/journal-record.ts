/** The schemas of the journal's records, to read them back. A line that fits none of them is damage. */

import { z } from 'zod';
import { LIMITS } from '../../src/base/limits.js';
import { MODEL_PEER } from '../../src/config/peer.js';
import { field, rangesSchema } from '../../src/protocol/field.js';
import type { JournalRecord } from '../core/types.js';

/** The schema of a calibration. */
export const calibrationSchema = z.strictObject({ error: field.finite, temperature: field.finite, errorAtTemperature: field.finite });

/** The schema of the facts of a training. */
export const trainingFactsSchema = z.strictObject({
  terms: z.record(z.string(), z.strictObject({ loss: field.finite, share: field.finite.nullable() })),
  sameAsTeacher: field.finite.nullable(),
});

const evaluation = z.strictObject({
  /** A line that names no peer is about a stage of one. */
  peer: field.peer.default(MODEL_PEER),
  epoch: field.finite,
  round: field.count,
  accuracy: field.finite,
  loss: field.finite,
  millisecondsPerImage: field.finite,
  parameters: field.count,
  agreement: z.record(field.peer, field.finite),
  /** A line without these two is of a program that did not write them. */
  calibration: calibrationSchema.nullable().default(null),
  training: trainingFactsSchema.nullable().default(null),
});

/** The hash of each peer, by its name. */
const hashes = z.record(field.peer, field.hash);

const stageResult = z.strictObject({
  stage: field.stage,
  tests: z.array(z.strictObject({ last: evaluation, best: evaluation })).max(LIMITS.members),
  checkpoint: z.strictObject({ round: field.count, hashes }).nullable(),
  best: z.record(field.peer, z.strictObject({ round: field.count, epoch: field.count, accuracy: field.finite, hash: field.hash })),
  commits: field.count,
  samples: field.count,
  waited: z.record(field.peer, field.finite),
  late: z.record(field.peer, field.count).default({}),
  losses: z.record(field.peer, field.finite).default({}),
  skipped: field.count.default(0),
  seconds: field.milliseconds,
});

export const journalRecordSchema: z.ZodType<JournalRecord> = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('term'), term: field.term }),
  z.strictObject({
    type: z.literal('commit'),
    term: field.term,
    stage: field.stage,
    round: field.round,
    contributors: z.array(field.incarnation).max(LIMITS.members),
    ranges: rangesSchema,
    hashes: z.record(field.peer, field.hash.nullable()),
    committed: field.count,
    /** A line without it is of a stage of one peer, or of a program that did not write it. */
    lockstep: z
      .record(field.peer, z.strictObject({ trainMs: field.milliseconds, waitedMs: field.milliseconds, late: field.count }))
      .default({}),
    losses: z.record(field.peer, field.finite).default({}),
  }),
  z.strictObject({
    type: z.literal('checkpoint'),
    term: field.term,
    stage: field.stage,
    round: field.count,
    hashes,
  }),
  z.strictObject({
    type: z.literal('rollback'),
    term: field.term,
    stage: field.stage,
    round: field.count.nullable(),
    committed: field.count,
  }),
  z.strictObject({ type: z.literal('skip'), term: field.term, stage: field.stage, peer: field.peer, ranges: rangesSchema }),
  z.strictObject({ type: z.literal('evaluation'), term: field.term, stage: field.stage, evaluation }),
  z.strictObject({ type: z.literal('stage-done'), term: field.term, result: stageResult }),
  z.strictObject({ type: z.literal('reopen'), term: field.term, stage: field.stage }),
  z.strictObject({ type: z.literal('run-done'), term: field.term }),
]);
