/**
 * The messages of the control plane: agent (DEALER) to coordinator (ROUTER). Small, one frame each, validated whole.
 * Names are noun.verb from the sender's side.
 */

import { z } from 'zod';
import { CALIBRATION_SIZES } from '../base/calibration.js';
import { LIMITS } from '../base/limits.js';
import { field, REFUSE_REASONS, rangesSchema } from './field.js';
import { stateNameSchema } from './state-name.js';

/** In messages of a welcomed worker: its incarnation, and the term of its coordinator. */
const fromWorker = { term: field.term, incarnation: field.incarnation };
/** In messages to a worker: the same pair, so that a worker ignores a late message to an earlier incarnation. */
const toWorker = fromWorker;

/** A number of each part of a loss, by its key. */
const termsOf = (number: z.ZodType<number>) => z.record(z.string().max(LIMITS.layerLength), number);

/** A replica of a row as the others of the row see it. Its rank is its index in the list. */
const contributorSchema = z.strictObject({ incarnation: field.incarnation, endpoint: field.endpoint, samples: field.count });
export type Contributor = z.infer<typeof contributorSchema>;

/** The address of an engine's data server. */
const engineAddressSchema = z.strictObject({ incarnation: field.incarnation, endpoint: field.endpoint });
export type EngineAddress = z.infer<typeof engineAddressSchema>;

/** A replica of a row, by its column. */
const replicaSchema = z.strictObject({ column: field.count, ...engineAddressSchema.shape });
export type Replica = z.infer<typeof replicaSchema>;

/** A replica of a row, and the ranges of its column. */
const rowCellSchema = z.strictObject({ ...replicaSchema.shape, ranges: rangesSchema });
export type RowCell = z.infer<typeof rowCellSchema>;

/** A cell of the receiver's column, as the receiver sees it. */
const cellSchema = z.strictObject({ peer: field.peer, ...engineAddressSchema.shape });
export type ColumnCell = z.infer<typeof cellSchema>;

/**
 * The parameters that a round starts from: those of the last commit of the stage, or the stage's initial ones
 * (round 0). A worker that does not hold them asks `sources` in order, then the coordinator, if it has stored them.
 */
const baseSchema = z.strictObject({
  state: stateNameSchema,
  /** The hash of the state; null in round 0, and until it is computed: a commit of one replica has none. */
  hash: field.hash.nullable(),
  /** Samples of the stage that the commits up to here contain. */
  committed: field.count,
  /** The incarnations that hold the state in memory. */
  sources: z.array(engineAddressSchema).max(LIMITS.members),
  /** Whether the coordinator has a checkpoint of exactly this state. */
  isStored: z.boolean(),
  /** In round 0: the stored state whose parameters are the initial ones; null for new ones. */
  init: z.strictObject({ state: stateNameSchema, hash: field.hash }).nullable(),
});
export type Base = z.infer<typeof baseSchema>;

/** The fingerprint of each split (src/data/fingerprint.ts), and the SHA-256 of each module of the user's, by its place in the recipe. */
const digestsSchema = z.strictObject({
  splits: z.record(field.name, field.hash),
  modules: z.record(z.string().max(LIMITS.nameLength * 4), field.hash),
});
export type Digests = z.infer<typeof digestsSchema>;

const workSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('train'),
    /** The index of the cell's column, from 0. Cells of one column see the same samples. */
    column: field.count,
    /** The number of cells of the cell's row at the start of the round, this one included: students that train the same peer. */
    replicas: z.int().min(1).max(LIMITS.members),
    /** The ranges of the column, in the order in which they are trained. */
    ranges: rangesSchema,
    /** Samples of all columns of the round together, for schedules. */
    roundSamples: field.count,
    /** The other cells of the column, in the order of the stage's peers: they exchange their knowledge at each step. */
    others: z.array(cellSchema).max(LIMITS.members),
    /**
     * The other cells of the cell's row, in the order of the columns, where a term of the loss is over their gathered batch: then they exchange
     * their knowledge at each step. Otherwise empty.
     */
    row: z.array(rowCellSchema).max(LIMITS.members),
    /** Whether the cell is to measure the gradient of each part of the loss at its last step: a test of the parameters follows. */
    measures: z.boolean(),
  }),
  /** Rows [start, end) of this split. The cells of a column test the same rows, and exchange what they say of them. */
  z.strictObject({
    kind: z.literal('evaluate'),
    split: field.name,
    start: field.count,
    end: field.count,
    others: z.array(cellSchema).max(LIMITS.members),
  }),
]);
export type Work = z.infer<typeof workSchema>;

/** From agents and engines (through their agents) to the coordinator. */
export const workerMessageSchema = z.discriminatedUnion('type', [
  /** By the agent, first, and again until it is answered: it asks to be a member. */
  z.strictObject({
    type: z.literal('worker.hello'),
    protocol: z.int(),
    schema: z.string().max(64),
    worker: field.name,
    role: field.role,
    /** The peer that a student was started for, in stages that have one of this name; null for any. */
    peer: field.peer.nullable(),
    host: z.string().max(256),
    pid: field.count,
  }),
  /** By the engine, once, when it is up: from then on it takes orders, and answers data requests at `endpoint`. */
  z.strictObject({ type: z.literal('worker.ready'), ...fromWorker, endpoint: field.endpoint, engine: field.name }),
  /** By the agent, every `renewEveryMs`: it prolongs its lease, and tells its engine's progress. */
  z.strictObject({
    type: z.literal('worker.renew'),
    ...fromWorker,
    /** Rises with every step of the engine. */
    progress: field.count,
    /**
     * Totals of this incarnation: images through the model, milliseconds spent on them, bytes on the control plane, and
     * bytes on the data plane as a client, so that the sum over all workers counts each byte once.
     */
    images: field.count,
    busyMs: field.milliseconds,
    controlBytes: field.count,
    dataBytes: field.count,
  }),
  /**
   * By a student, when it has trained the ranges of its column, or the first `samples` of them when `coordinator.conclude` ended
   * the training. It can be counted in from then on.
   */
  z.strictObject({
    type: z.literal('worker.trained'),
    ...fromWorker,
    round: field.round,
    samples: field.count,
    lossSum: field.finite,
    /** The parts of the loss by key, without their weights, summed over the samples. */
    terms: termsOf(field.finite),
    /** The length of each part's weighted gradient, with the batch of the last step; empty where none was measured. */
    gradients: termsOf(z.number().min(0)),
    /** The samples that the model put into the same class as its teacher; null where the loss does not take a teacher's logits. */
    sameAsTeacher: field.count.nullable(),
    correct: field.count,
    trainMs: field.milliseconds,
    /** The part of `trainMs` in which it waited for the other cells with which it exchanges in its steps. */
    waitedMs: field.milliseconds,
    /** By the peers of those cells: how often what they gave came too late. */
    late: z.record(field.peer, field.count),
  }),
  /**
   * By a student, when the loss or the parameters of a step are not finite: it drops its work of the round. The coordinator takes the
   * samples of that step, `ranges`, out of the stage.
   */
  z.strictObject({
    type: z.literal('worker.notFinite'),
    ...fromWorker,
    round: field.round,
    ranges: rangesSchema.min(1),
    message: field.text,
  }),
  /** By a contributor, when it holds the average of its row: the coordinator commits when all of a row hold the same. */
  z.strictObject({
    type: z.literal('worker.averaged'),
    ...fromWorker,
    round: field.round,
    attempt: field.attempt,
    /** The hash of the averaged state. */
    hash: field.hash,
    /** Samples that the averaged parameters contain, counted from the ranges that the contributions carried. */
    contained: field.count,
  }),
  /**
   * By a contributor, when another replica did not hand over its contribution: the attempt cannot end. By a cell, with attempt 0, when
   * another cell with which it exchanges in its steps has not answered for long: the column, or the row, cannot go on.
   */
  z.strictObject({
    type: z.literal('worker.unreachable'),
    ...fromWorker,
    round: field.round,
    attempt: field.count,
    replica: field.incarnation,
    message: field.text,
  }),
  /** By a student, when it has tested its rows: its part of an evaluation. */
  z.strictObject({
    type: z.literal('worker.evaluated'),
    ...fromWorker,
    round: field.round,
    correct: field.count,
    count: field.count,
    lossSum: field.finite,
    /** Sums over its rows, as src/step/calibration.ts adds them up. */
    calibration: z.strictObject({
      losses: z.array(field.finite).length(CALIBRATION_SIZES.losses).readonly(),
      gaps: z.array(field.finite).length(CALIBRATION_SIZES.gaps).readonly(),
      judged: field.count,
    }),
    evaluateMs: field.milliseconds,
    /** By the other peers of its column: the rows of which it says the same class. */
    agreed: z.record(field.peer, field.count),
    /** Trainable and other parameters of the model. */
    parameters: field.count,
  }),
  /** By a teacher, when it has loaded the state that `coordinator.serve` named: students can be linked to it. */
  z.strictObject({ type: z.literal('worker.serving'), ...fromWorker, stage: field.stage }),
  /** By an engine, when it has chosen how the steps of a stage run, for people to know; once for all that run alike. */
  z.strictObject({
    type: z.literal('worker.prepared'),
    ...fromWorker,
    stage: field.stage,
    /** True: as graphs. False: op by op. */
    traced: z.boolean(),
    precision: z.enum(['fp32', 'bf16']),
    threads: z.int().min(1),
    /** The reason why it is not as the recipe asks, or another fact that a person should know. */
    note: field.text.nullable(),
  }),
  /** By an engine that cannot carry out an order, and lives on: its work is to be given to others. */
  z.strictObject({ type: z.literal('worker.failed'), ...fromWorker, code: field.name, message: field.text }),
  /** By the agent, when its engine is gone: this incarnation is over. It starts another engine and sends a hello again. */
  z.strictObject({ type: z.literal('worker.lost'), ...fromWorker, code: field.name, message: field.text }),
  /** By the agent, when its user wants a checkpoint of what is committed. */
  z.strictObject({ type: z.literal('worker.checkpoint'), ...fromWorker }),
  /** By the agent, when the worker is to end (a drain): it asks for a stop once nothing depends on it. */
  z.strictObject({ type: z.literal('worker.leave'), ...fromWorker, message: field.text }),
]);
export type WorkerMessage = z.infer<typeof workerMessageSchema>;

/** From the coordinator to agents, and through them to engines. */
export const coordinatorMessageSchema = z.discriminatedUnion('type', [
  /** To an agent whose hello is accepted: its incarnation, and the facts that its engine needs to begin. */
  z.strictObject({
    type: z.literal('coordinator.welcome'),
    ...toWorker,
    run: field.name,
    /** The interval between two renewals; an incarnation that sends no renewal for `leaseMs` is dead. */
    renewEveryMs: field.milliseconds,
    leaseMs: field.milliseconds,
    /** The address where checkpoints are put and fetched. */
    dataEndpoint: field.endpoint,
    /** The resolved recipe, as JSON. */
    recipe: z.string().max(LIMITS.recipeBytes),
    /** The digests of the coordinator's own data and modules: those of the worker must be the same. */
    digests: digestsSchema,
  }),
  /** To an agent, for every renewal: the incarnation is known, and the coordinator lives. */
  z.strictObject({ type: z.literal('coordinator.renewed'), ...toWorker }),
  /**
   * To a student, at the start of a round: its part of the work. `base.state` names the stage and the peer whose parameters
   * the work is about. All earlier work of the student is over.
   */
  z.strictObject({ type: z.literal('coordinator.assign'), ...toWorker, round: field.round, base: baseSchema, work: workSchema }),
  /** To a student, when its teachers have changed: these are all of them, from this version on. Older versions are void. */
  z.strictObject({
    type: z.literal('coordinator.link'),
    ...toWorker,
    stage: field.stage,
    version: field.count,
    teachers: z.array(engineAddressSchema).max(LIMITS.members),
  }),
  /**
   * To each contributor of a row of several, when the contributor set is fixed: average among these, in this order, and
   * report the hash. A later attempt voids the one before.
   */
  z.strictObject({
    type: z.literal('coordinator.average'),
    ...toWorker,
    /** The name of the average when it is committed. */
    state: stateNameSchema,
    attempt: field.attempt,
    contributors: z.array(contributorSchema).min(2).max(LIMITS.members),
  }),
  /**
   * To each contributor, when the round is in the journal: the state of this name is the committed one. With a hash it is
   * the average with that hash; with null the row had one contributor, and it is that student's own parameters.
   */
  z.strictObject({
    type: z.literal('coordinator.commit'),
    ...toWorker,
    state: stateNameSchema,
    hash: field.hash.nullable(),
    committed: field.count,
  }),
  /**
   * To the replicas that hold the committed state, when a checkpoint is due. One of them gets the `others`: it fetches the state of
   * their optimisers, and puts the checkpoint to the coordinator's data server. To the others `others` is null: they keep that state at hand.
   */
  z.strictObject({
    type: z.literal('coordinator.save'),
    ...toWorker,
    state: stateNameSchema,
    /** The column in which the receiver has trained. */
    column: field.count,
    others: z.array(replicaSchema).max(LIMITS.replicaStates).nullable(),
  }),
  /** To a member of a round from which it is withdrawn: drop the work of this round. None of it is committed. */
  z.strictObject({ type: z.literal('coordinator.abandon'), ...toWorker, round: field.round, reason: field.text }),
  /**
   * To the students of a round of one column, when the round is to end soon (a stop, a drain, a deadline): begin no further
   * step, and report the samples trained. Their base is kept nowhere else, so an abandoned round would be lost work.
   */
  z.strictObject({ type: z.literal('coordinator.conclude'), ...toWorker, round: field.round }),
  /** To a teacher, when a stage needs it: load this state of the stage that teaches, and answer requests for `stage`. */
  z.strictObject({
    type: z.literal('coordinator.serve'),
    ...toWorker,
    stage: field.stage,
    from: stateNameSchema,
    hash: field.hash,
  }),
  /** To a worker for which the run is over: leave. */
  z.strictObject({ type: z.literal('coordinator.stop'), ...toWorker, outcome: z.enum(['done', 'failed', 'stopped']), message: field.text }),
  /** To the sender of a message that is not accepted. `of` is the type of that message. */
  z.strictObject({ type: z.literal('refuse'), reason: z.enum(REFUSE_REASONS), of: z.string().max(64), message: field.text }),
]);
export type CoordinatorMessage = z.infer<typeof coordinatorMessageSchema>;

/** A message of one type. */
export type WorkerMessageOf<T extends WorkerMessage['type']> = Extract<WorkerMessage, { type: T }>;
export type CoordinatorMessageOf<T extends CoordinatorMessage['type']> = Extract<CoordinatorMessage, { type: T }>;
