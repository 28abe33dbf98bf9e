/** The fields of messages. Each has a size or a range: nothing unbounded is accepted. */

import { z } from 'zod';
import type { Incarnation, RoundId, Term } from '../base/ids.js';
import { LIMITS } from '../base/limits.js';

const count = z.int().min(0);
const undotted = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/)
  .max(LIMITS.nameLength);

export const field = {
  term: z.int().min(1) as unknown as z.ZodType<Term>,
  incarnation: z.int().min(1) as unknown as z.ZodType<Incarnation>,
  round: z.int().min(1) as unknown as z.ZodType<RoundId>,
  count,
  milliseconds: z.number().min(0),
  attempt: z.int().min(1).max(1_000_000),
  finite: z.number(),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
    .max(LIMITS.nameLength),
  /** Names of stages and of their peers have no dot: `together.big` is the peer `big` of the stage `together`. */
  stage: undotted,
  peer: undotted,
  text: z.string().max(LIMITS.textLength),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  endpoint: z
    .string()
    .regex(/^(tcp|ipc|inproc):\/\/\S+$/)
    .max(256),
  role: z.enum(['teacher', 'student']),
} as const;

/** Cuts text to the length of `field.text`, without half a surrogate pair at the cut. */
export function cutText(text: string): string {
  return Buffer.from(text.slice(0, LIMITS.textLength)).toString();
}

/** The id that joins an answer to its request. */
export const requestIdSchema = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

/** Positions of a stage's sample order, [start, end): position p is place p mod N of epoch floor(p / N). */
export const rangeSchema = z.strictObject({ start: count, end: count }).refine(({ start, end }) => start < end, 'an empty range');
export type Range = z.infer<typeof rangeSchema>;

/** Ranges of one stage: disjoint and ascending, so that no sample can be in them twice. */
export const rangesSchema = z
  .array(rangeSchema)
  .max(LIMITS.ranges)
  .refine((ranges) => ranges.every(({ start }, i) => start >= (ranges[i - 1]?.end ?? 0)), 'ranges that overlap or do not ascend');

/** The reasons of refusals. README.md has a sentence for each. */
export const REFUSE_REASONS = [
  'protocol-version',
  'schema-mismatch',
  'old-term',
  'unknown-incarnation',
  'name-taken',
  'unknown-peer',
  'run-over',
  'invalid-message',
  'too-large',
  'not-ready',
  'wrong-stage',
  'wrong-round',
  'round-ended',
  'unknown-sample',
  'unknown-tap',
  'not-finite',
  'beyond-half',
  'missing',
  'busy',
  'failed',
] as const;
export type RefuseReason = (typeof REFUSE_REASONS)[number];
