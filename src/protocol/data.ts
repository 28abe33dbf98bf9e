/**
 * The messages of the data plane: a client (DEALER) asks, a server (ROUTER) answers. One msgpack header frame, then
 * the raw frames that `tensors` describes, in order. `id` joins an answer to its request; the client chooses it.
 */

import { z } from 'zod';
import { LIMITS } from '../base/limits.js';
import type { KnowledgeSpec } from '../tensor/knowledge.js';
import { DTYPE_BYTES, type WireTensor } from '../tensor/tensor.js';
import { field, REFUSE_REASONS, rangesSchema, requestIdSchema } from './field.js';
import { stateNameSchema } from './state-name.js';

export const tensorSpecSchema = z.strictObject({
  name: field.name,
  dtype: z.enum(Object.keys(DTYPE_BYTES) as [keyof typeof DTYPE_BYTES]),
  shape: z
    .array(
      z
        .int()
        .min(0)
        .max(2 ** 40),
    )
    .max(LIMITS.axes),
});

const head = {
  id: requestIdSchema,
  tensors: z.array(tensorSpecSchema).max(LIMITS.dataFrames - 1),
};

/** A committed state: the samples of the stage that are in it, its hash (src/tensor/state-tensors.ts), and its arena's schema. */
const stateFields = { state: stateNameSchema, ranges: rangesSchema, hash: field.hash, schema: field.hash };
/** Elements [start, end) of a state whose tensors are laid end to end in their order (src/tensor/state-parts.ts). */
const partWanted = { start: field.count, end: field.count };
/** The part of a state that begins at this element, and ends with the elements that are sent; `layout`: all tensors of the state, with their sizes. */
const partFields = {
  layout: z.array(z.strictObject({ name: field.name, size: field.count })).max(LIMITS.dataFrames - 1),
  start: field.count,
};
/**
 * Elements [start, end) of an arena, for one attempt to average into this state. `trained`: the replica's own parameters after
 * its ranges of the round; `average`: the average that this attempt makes of all of them; `memory`: what its loss keeps of those samples.
 */
const pieceFields = {
  state: stateNameSchema,
  attempt: field.attempt,
  part: z.enum(['trained', 'average', 'memory']),
  start: field.count,
  end: field.count,
};

/** The size of a split or of its images, at least 1. */
const word = z
  .int()
  .min(1)
  .max(2 ** 31 - 1);

const layerName = z.string().min(1).max(LIMITS.layerLength);

/** The tensors that are asked for (src/tensor/knowledge.ts). */
export const knowledgeSpecSchema = z.discriminatedUnion('of', [
  z.strictObject({ of: z.literal('logits') }),
  z.strictObject({ of: z.literal('input-gradient') }),
  z.strictObject({
    of: z.literal('tap'),
    layer: layerName,
    reduce: z
      .strictObject({
        name: field.name,
        options: z
          .record(field.name, field.finite)
          .refine((options) => Object.keys(options).length <= LIMITS.reductionOptions, `more than ${LIMITS.reductionOptions} options`),
      })
      .nullable(),
  }),
  z.strictObject({ of: z.literal('flow'), from: layerName, to: layerName }),
  z.strictObject({ of: z.literal('similarity'), layer: layerName }),
]) satisfies z.ZodType<KnowledgeSpec>;

/** The images that knowledge is asked about. To add a source, add a case. */
const aboutSchema = z.discriminatedUnion('of', [
  /** The samples as the stage augments them in this epoch; the server makes the same pixels as the client. */
  z.strictObject({ of: z.literal('view'), epoch: field.count }),
  /**
   * The images of this step of the round, as the asked cell sees them, which trains this peer in the same column, or the same row; it answers
   * when its forward pass is done. `own`: the knowledge of its model; `other`: that of its teacher, which it has asked.
   */
  z.strictObject({ of: z.literal('step'), peer: field.peer, round: field.round, step: field.attempt, side: z.enum(['own', 'other']) }),
]);

export const dataRequestSchema = z.discriminatedUnion('type', [
  /**
   * The sender asks for knowledge, one tensor for each spec; in float16 if `half`. About a view: tensor `samples` int32 [B]. About a
   * step: no tensor.
   */
  z.strictObject({
    type: z.literal('knowledge.get'),
    ...head,
    term: field.term,
    stage: field.name,
    about: aboutSchema,
    specs: z.array(knowledgeSpecSchema).min(1).max(LIMITS.specs),
    half: z.boolean(),
  }),
  /** To another replica of the row: a piece of what it has trained, or of the average that it makes. */
  z.strictObject({ type: z.literal('arena.get'), ...head, term: field.term, ...pieceFields }),
  /** To a student that holds this state in memory. `hash` is the expected hash; null when it is not known yet. */
  z.strictObject({
    type: z.literal('state.get'),
    ...head,
    term: field.term,
    state: stateNameSchema,
    hash: field.hash.nullable(),
    ...partWanted,
  }),
  /** To a student that was told that a checkpoint of this state is due: the state of its own optimiser. */
  z.strictObject({ type: z.literal('slots.get'), ...head, term: field.term, state: stateNameSchema, hash: field.hash, ...partWanted }),
  /**
   * To the coordinator: a part of a checkpoint, the parts in their order. Its float32 tensors by name: `parameters` [P], `slots` [S], and the other
   * tensors of the state; `slots.1`, `slots.2` and so on are the optimiser's state of the replicas of other columns. With the last part comes
   * `topology` uint8 [bytes], the layers of its model (src/tensor/topology.ts).
   */
  z.strictObject({
    type: z.literal('checkpoint.put'),
    ...head,
    term: field.term,
    incarnation: field.incarnation,
    ...stateFields,
    ...partFields,
  }),
  /** To the coordinator. `slots` of the answer is the optimiser's state of this column, where the checkpoint has it. */
  z.strictObject({ type: z.literal('checkpoint.get'), ...head, state: stateNameSchema, column: field.count.nullable(), ...partWanted }),
  /** To the coordinator: the layers of a model that the run was given. */
  z.strictObject({ type: z.literal('topology.get'), ...head, stage: field.stage, peer: field.peer }),
  /** To the coordinator, from a worker without the data: the rows of a split (src/data/feed/split-rows.ts) from this one on. */
  z.strictObject({ type: z.literal('split.get'), ...head, split: field.name, from: field.count }),
  /** To the coordinator, from a worker without the data: the coded images of these samples of a split. Tensor `samples` int32 [B]. */
  z.strictObject({ type: z.literal('image.get'), ...head, split: field.name }),
]);
export type DataRequest = z.infer<typeof dataRequestSchema>;

export const dataAnswerSchema = z.discriminatedUnion('type', [
  /**
   * Tensors `knowledge.0`, `knowledge.1`, ... [B, ...], one for each spec, rows in the order of the request or of the step; of similarities [B, B],
   * the columns in that order too.
   */
  z.strictObject({ type: z.literal('knowledge.answer'), ...head, stage: field.name }),
  /**
   * Tensor `parameters` float32 [end - start]. `ranges`: all samples in what the answering replica has trained, of which
   * `samples` are of this round; the same for both parts.
   */
  z.strictObject({ type: z.literal('arena.answer'), ...head, ...pieceFields, samples: field.count, ranges: rangesSchema }),
  /**
   * As much of the part that was asked for as one message carries, as in checkpoint.put, without `topology`. Answers state.get and checkpoint.get.
   */
  z.strictObject({ type: z.literal('state.answer'), ...head, ...stateFields, ...partFields }),
  /** A part of the tensor `slots` float32 [S]: the answering replica's own. `hash`: of the state that the replicas share. */
  z.strictObject({ type: z.literal('slots.answer'), ...head, state: stateNameSchema, hash: field.hash, schema: field.hash, ...partFields }),
  /** Tensor `topology` uint8 [bytes]: src/tensor/topology.ts. */
  z.strictObject({ type: z.literal('topology.answer'), ...head, stage: field.stage, peer: field.peer }),
  /**
   * Tensor `rows` uint8 [k, bytes of a row]: rows [from, from + k), as many as fit in LIMITS.feedBytes, at least one where there is one. `height`, `width` and `channels`
   * are those of every image.
   */
  z.strictObject({
    type: z.literal('split.answer'),
    ...head,
    split: field.name,
    from: field.count,
    kind: z.enum(['resident', 'coded']),
    ...{ count: word, height: word, width: word, channels: word, classes: word },
  }),
  /**
   * Tensors `sizes` int32 [k] and `images` uint8 [their sum]: the images of the first k of the samples, one after the other, as many as fit in LIMITS.feedBytes, at least
   * one.
   */
  z.strictObject({ type: z.literal('image.answer'), ...head, split: field.name }),
  /** Answers checkpoint.put: the part is on disk; after the last one, the checkpoint is whole. */
  z.strictObject({ type: z.literal('stored'), ...head }),
  z.strictObject({ type: z.literal('refuse'), ...head, reason: z.enum(REFUSE_REASONS), message: field.text }),
]);
export type DataAnswer = z.infer<typeof dataAnswerSchema>;

export type DataRequestOf<T extends DataRequest['type']> = Extract<DataRequest, { type: T }>;
export type DataAnswerOf<T extends DataAnswer['type']> = Extract<DataAnswer, { type: T }>;

/** The answer that a request gets when it is not refused. */
export const ANSWER_OF = {
  'knowledge.get': 'knowledge.answer',
  'arena.get': 'arena.answer',
  'state.get': 'state.answer',
  'slots.get': 'slots.answer',
  'checkpoint.put': 'stored',
  'checkpoint.get': 'state.answer',
  'topology.get': 'topology.answer',
  'split.get': 'split.answer',
  'image.get': 'image.answer',
} as const satisfies Record<DataRequest['type'], DataAnswer['type']>;

/** The answer, not a refusal, to a request of this type. */
export type AnswerTo<T extends DataRequest['type']> = DataAnswerOf<(typeof ANSWER_OF)[T]>;

/** A header without `id` and `tensors`, which client, server and codec add. */
type Body<M> = M extends unknown ? Omit<M, 'id' | 'tensors'> : never;
export type DataRequestBody = Body<DataRequest>;
export type DataAnswerBody = Body<DataAnswer>;

/** A header with the tensors that its `tensors` describes, in that order. */
export interface DataMessage<M> {
  readonly header: M;
  readonly tensors: readonly WireTensor[];
}
