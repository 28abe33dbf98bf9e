/**
 * The messages of the control plane: agent (DEALER) to coordinator (ROUTER). Small, one frame each, validated whole.
 * Names are noun.verb from the sender's side.
 */

import { z } from 'zod';
import { LIMITS } from '../base/limits.js';
import { field, REFUSE_REASONS, rangesSchema } from './field.js';

/** From a worker that has been welcomed: which life of which worker under which coordinator is speaking. */
const fromWorker = { term: field.term, incarnation: field.incarnation };
/** To a worker: the same pair, so that a late message to an earlier life is not taken for one's own. */
const toWorker = fromWorker;

/** A member of a round as its peers see it. Its rank is its place in the list. */
const contributorSchema = z.strictObject({ incarnation: field.incarnation, endpoint: field.endpoint, samples: field.count });
export type Contributor = z.infer<typeof contributorSchema>;

const teacherSchema = z.strictObject({ incarnation: field.incarnation, endpoint: field.endpoint });
export type TeacherAddress = z.infer<typeof teacherSchema>;

/**
 * The parameters that a round starts from: those of the last commit of the stage, or the stage's initial ones
 * (`round` 0). A worker that does not hold them asks `sources` in order, then the coordinator for `checkpoint`.
 */
const baseSchema = z.strictObject({
  /** The round whose commit made them; 0: the stage's initial parameters. */
  round: field.count,
  /** SHA-256 of the arena; null for round 0. */
  hash: field.hash.nullable(),
  /** Samples of the stage that the commits up to here contain. */
  committed: field.count,
  /** Data endpoints of peers that hold them. */
  sources: z.array(field.endpoint).max(LIMITS.members),
  /** A checkpoint that holds exactly them, if there is one. */
  checkpoint: field.checkpoint.nullable(),
});
export type Base = z.infer<typeof baseSchema>;

const workSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('train'),
    /** The member's own ranges, in the order to train them. */
    ranges: rangesSchema,
    /** Samples of all members of the round together, for schedules. */
    roundSamples: field.count,
  }),
  /** Rows [start, end) of this split. */
  z.strictObject({ kind: z.literal('evaluate'), split: field.name, start: field.count, end: field.count }),
  /** Write the model of the base parameters as a tf.LayersModel and put it to the coordinator. */
  z.strictObject({ kind: z.literal('export') }),
]);
export type Work = z.infer<typeof workSchema>;

export const workerMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('worker.hello'),
    protocol: z.int(),
    schema: z.string().max(64),
    worker: field.name,
    role: field.role,
    host: z.string().max(256),
    pid: field.count,
  }),
  /** The engine is up: data can be asked of `endpoint`. */
  z.strictObject({ type: z.literal('worker.ready'), ...fromWorker, endpoint: field.endpoint, engine: field.name }),
  z.strictObject({
    type: z.literal('worker.renew'),
    ...fromWorker,
    /** Rises with every step of the engine. */
    progress: field.count,
    /**
     * Totals of this incarnation: images through the model, milliseconds spent on them, bytes on the control plane, and
     * bytes on the data plane as a client, so that the sum over all workers counts each conversation once.
     */
    images: field.count,
    busyMs: field.milliseconds,
    controlBytes: field.count,
    dataBytes: field.count,
  }),
  z.strictObject({
    type: z.literal('worker.trained'),
    ...fromWorker,
    round: field.round,
    samples: field.count,
    lossSum: field.finite,
    correct: field.count,
    trainMs: field.milliseconds,
  }),
  z.strictObject({
    type: z.literal('worker.averaged'),
    ...fromWorker,
    round: field.round,
    attempt: field.attempt,
    /** SHA-256 of the averaged arena. */
    hash: field.hash,
    /** Samples that the averaged arena contains, counted from the ranges that the arenas carried. */
    contained: field.count,
  }),
  /** A peer of the round did not hand over its arena. */
  z.strictObject({
    type: z.literal('worker.unreachable'),
    ...fromWorker,
    round: field.round,
    attempt: field.attempt,
    peer: field.incarnation,
    message: field.text,
  }),
  z.strictObject({
    type: z.literal('worker.evaluated'),
    ...fromWorker,
    round: field.round,
    correct: field.count,
    count: field.count,
    lossSum: field.finite,
    evaluateMs: field.milliseconds,
    /** Trainable and other parameters of the model. */
    parameters: field.count,
  }),
  /** The teacher has loaded what `coordinator.serve` named and answers requests. */
  z.strictObject({ type: z.literal('worker.serving'), ...fromWorker, stage: field.name }),
  /** How the steps of a stage run here; once for all that run alike. */
  z.strictObject({
    type: z.literal('worker.prepared'),
    ...fromWorker,
    stage: field.name,
    /** As graphs, or op by op. */
    traced: z.boolean(),
    precision: z.enum(['fp32', 'bf16']),
    threads: z.int().min(1),
    /** Why it is not as the recipe asks, or what else a person should know. */
    note: field.text.nullable(),
  }),
  /** The engine cannot do what it was told; it goes on living. */
  z.strictObject({ type: z.literal('worker.failed'), ...fromWorker, code: field.name, message: field.text }),
  /** From the agent: its engine is gone. The agent starts another and says hello again. */
  z.strictObject({ type: z.literal('worker.lost'), ...fromWorker, code: field.name, message: field.text }),
  /** From the agent: the worker ends of its own will (a drain). */
  z.strictObject({ type: z.literal('worker.leave'), ...fromWorker, message: field.text }),
]);
export type WorkerMessage = z.infer<typeof workerMessageSchema>;

export const coordinatorMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('coordinator.welcome'),
    ...toWorker,
    run: field.name,
    /** How often to renew, and after how long without a renewal the incarnation is dead. */
    renewEveryMs: field.milliseconds,
    leaseMs: field.milliseconds,
    /** Where checkpoints and artifacts are put and fetched. */
    dataEndpoint: field.endpoint,
    /** The resolved recipe, as JSON. */
    recipe: z.string().max(LIMITS.recipeBytes),
  }),
  /** To every renewal: the incarnation is known, and the coordinator lives. */
  z.strictObject({ type: z.literal('coordinator.renewed'), ...toWorker }),
  z.strictObject({
    type: z.literal('coordinator.assign'),
    ...toWorker,
    round: field.round,
    /** The stage whose model and parameters the work is about; never one of kind evaluate or export. */
    stage: field.name,
    base: baseSchema,
    work: workSchema,
  }),
  /** The teachers of a student, whole, from this version on. Older versions are void. */
  z.strictObject({
    type: z.literal('coordinator.link'),
    ...toWorker,
    stage: field.name,
    version: field.count,
    teachers: z.array(teacherSchema).max(LIMITS.members),
  }),
  /** The contributor set, fixed: exchange arenas, sum in this order, report the hash. */
  z.strictObject({
    type: z.literal('coordinator.average'),
    ...toWorker,
    round: field.round,
    attempt: field.attempt,
    contributors: z.array(contributorSchema).min(1).max(LIMITS.members),
  }),
  /** The average with this hash is now the committed state. */
  z.strictObject({ type: z.literal('coordinator.commit'), ...toWorker, round: field.round, hash: field.hash, committed: field.count }),
  /** Put the committed state of this round to the coordinator, under this name. */
  z.strictObject({ type: z.literal('coordinator.save'), ...toWorker, round: field.round, checkpoint: field.checkpoint }),
  /** Forget what was done for this round; the committed state stays. */
  z.strictObject({ type: z.literal('coordinator.abandon'), ...toWorker, round: field.round, reason: field.text }),
  /** To a teacher: load this checkpoint of the stage `from` and answer requests for the stage `stage`. */
  z.strictObject({
    type: z.literal('coordinator.serve'),
    ...toWorker,
    stage: field.name,
    from: field.name,
    checkpoint: field.checkpoint,
  }),
  /** The run is over for this worker: leave. */
  z.strictObject({ type: z.literal('coordinator.stop'), ...toWorker, outcome: z.enum(['done', 'failed', 'stopped']), message: field.text }),
  z.strictObject({ type: z.literal('refuse'), reason: z.enum(REFUSE_REASONS), of: z.string().max(64), message: field.text }),
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;

/** A message of one type. */
export type WorkerMessageOf<T extends WorkerMessage['type']> = Extract<WorkerMessage, { type: T }>;
export type CoordinatorMessageOf<T extends CoordinatorMessage['type']> = Extract<CoordinatorMessage, { type: T }>;
