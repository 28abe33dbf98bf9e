/**
 * Messages to frames and back; the only file that knows MessagePack. One message has exactly one encoding (README.md):
 * a frame is decoded only if its shape is plain, and accepted only if encoding the result gives the same bytes again.
 * That leaves no room for repeated keys, trailing bytes, longer forms, broken UTF-8 or negative zero. Then the schema decides.
 * Invariants: decoding never throws, whatever arrives; sizes are checked before anything is decoded; an accepted message
 * is valid by its schema, and each tensor has exactly the bytes of its shape.
 */

import { createHash } from 'node:crypto';
import { Packr } from 'msgpackr';
import { z } from 'zod';
import { assert } from '../base/assert.js';
import { LIMITS } from '../base/limits.js';
import { messageOf, StillhouseError } from '../errors/stillhouse-error.js';
import { DTYPE_BYTES, sizeOf, type TensorSpec, type WireTensor } from '../tensor/tensor.js';
import { type CoordinatorMessage, coordinatorMessageSchema, type WorkerMessage, workerMessageSchema } from './control.js';
import {
  type DataAnswer,
  type DataAnswerBody,
  type DataMessage,
  type DataRequest,
  type DataRequestBody,
  dataAnswerSchema,
  dataRequestSchema,
} from './data.js';
import { cutText, type RefuseReason, requestIdSchema } from './field.js';
import { shapeProblem } from './frame-shape.js';
import type { Frames } from './frames.js';
import { PROTOCOL_VERSION } from './version.js';

/** A message, or the reason why the frames are not one, in the words of a refusal. */
export type Decoded<M> = { readonly ok: true; readonly message: M } | Malformed;
export interface Malformed {
  readonly ok: false;
  readonly reason: RefuseReason;
  readonly detail: string;
}

/** As {@link Decoded}; a malformed message keeps its id where that can be read, so that it can be refused. */
export type DecodedData<M> = { readonly ok: true; readonly message: DataMessage<M> } | (Malformed & { readonly id: number | null });

/**
 * Digest over the JSON schemas of all messages, for the hello: two processes with the same digest mean the same fields.
 * Hex SHA-256; keys are sorted, so it depends on the content of the schemas and not on how they are written down.
 */
export const SCHEMA_HASH: string = createHash('sha256')
  .update(
    JSON.stringify(
      [workerMessageSchema, coordinatorMessageSchema, dataRequestSchema, dataAnswerSchema].map((s) => z.toJSONSchema(s)),
      sortKeys,
    ),
  )
  .digest('hex');

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** The message as its one frame. Throws `protocol.invalid` when the frame would be longer than a receiver accepts. */
export function encodeControl(message: WorkerMessage | CoordinatorMessage): Uint8Array {
  return pack(message, LIMITS.controlFrameBytes, message.type);
}

/**
 * A worker's message. A hello in another version or with other schemas is not merely malformed: its reason is
 * `protocol-version` or `schema-mismatch`, and the detail names both sides' values.
 */
export function decodeWorkerMessage(frames: Frames): Decoded<WorkerMessage> {
  const plain = decodePlain(frames, 1, LIMITS.controlFrameBytes);
  if (!plain.ok) return plain;
  return foreignHello(plain.message) ?? parse(workerMessageSchema, plain.message);
}

/** A coordinator's message, which is one frame. It carries no version: a message of another version is only malformed. */
export function decodeCoordinatorMessage(frames: Frames): Decoded<CoordinatorMessage> {
  const plain = decodePlain(frames, 1, LIMITS.controlFrameBytes);
  return plain.ok ? parse(coordinatorMessageSchema, plain.message) : plain;
}

/**
 * Header and tensors as frames. The tensor frames are views on the tensors' own memory, not copies: see transport.ts
 * for how long they must not change. Throws `protocol.invalid` when a tensor or the header is beyond the limits.
 */
export function encodeData(body: DataRequestBody | DataAnswerBody, id: number, tensors: readonly WireTensor[]): Frames {
  if (tensors.length + 1 > LIMITS.dataFrames)
    throw tooLarge(body.type, `${tensors.length} tensors; at most ${LIMITS.dataFrames - 1} travel together`);
  const frames = tensors.map(({ name, dtype, shape, data }) => {
    assert(data.length === sizeOf(shape) && data.BYTES_PER_ELEMENT === DTYPE_BYTES[dtype], `tensor ${name} is not ${dtype} [${shape}]`);
    if (data.byteLength > LIMITS.dataFrameBytes) throw tooLarge(body.type, `tensor ${name} has ${data.byteLength} bytes`);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  });
  const specs = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
  return [pack({ ...body, id, tensors: specs }, LIMITS.dataHeaderBytes, body.type), ...frames];
}

/**
 * A request with its tensors, which are views on the frames' own memory where that is aligned, and copies elsewhere. A tensor
 * that is kept therefore keeps its frame, and the frames must not change while it is read.
 */
export function decodeDataRequest(frames: Frames): DecodedData<DataRequest> {
  return decodeData(dataRequestSchema, frames);
}

/** An answer or a refusal, with tensors as in {@link decodeDataRequest}. */
export function decodeDataAnswer(frames: Frames): DecodedData<DataAnswer> {
  return decodeData(dataAnswerSchema, frames);
}

function decodeData<M extends { readonly tensors: readonly TensorSpec[] }>(schema: z.ZodType<M>, frames: Frames): DecodedData<M> {
  const plain = decodePlain(frames, LIMITS.dataFrames, LIMITS.dataHeaderBytes);
  if (!plain.ok) return { ...plain, id: null };
  const id = idOf(plain.message);
  const header = parse(schema, plain.message);
  if (!header.ok) return { ...header, id };
  const specs = header.message.tensors;
  if (frames.length !== specs.length + 1) {
    return { ...malformed(`${frames.length - 1} tensor frames, but the header describes ${specs.length}`), id };
  }
  const tensors: WireTensor[] = [];
  for (const [i, spec] of specs.entries()) {
    const frame = frames[i + 1]!;
    // A product beyond 2^53 is inexact, but then far above any frame's length: it cannot be taken for it.
    const bytes = sizeOf(spec.shape) * DTYPE_BYTES[spec.dtype];
    if (frame.byteLength !== bytes) {
      return {
        ...malformed(`tensor ${spec.name} is ${spec.dtype} [${spec.shape}], ${bytes} bytes, but its frame has ${frame.byteLength}`),
        id,
      };
    }
    tensors.push({ ...spec, data: viewOf(frame, spec.dtype) });
  }
  return { ok: true, message: { header: header.message, tensors } };
}

/** The array type for the elements of each dtype. A float16 is held as its bits. */
const ARRAY_OF = {
  float32: Float32Array,
  float16: Uint16Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
} as const satisfies Record<TensorSpec['dtype'], unknown>;

/** The frame's bytes as elements, without a copy where the frame is aligned. Little-endian, as are the machines we run on. */
function viewOf(frame: Uint8Array, dtype: TensorSpec['dtype']): WireTensor['data'] {
  const { buffer, byteOffset } = frame.byteOffset % DTYPE_BYTES[dtype] === 0 ? frame : Uint8Array.from(frame);
  const length = frame.byteLength / DTYPE_BYTES[dtype];
  return new ARRAY_OF[dtype](buffer as ArrayBuffer, byteOffset, length);
}

/** The first frame as plain data: objects, arrays, strings, numbers, booleans, null. No schema yet. */
function decodePlain(frames: Frames, framesMax: number, headerBytesMax: number): Decoded<unknown> {
  const [header] = frames;
  if (header === undefined) return malformed('a message without frames');
  if (frames.length > framesMax) return malformed(`${frames.length} frames; at most ${framesMax} are allowed`);
  if (header.byteLength > headerBytesMax) {
    return { ok: false, reason: 'too-large', detail: `${header.byteLength} bytes; at most ${headerBytesMax} are allowed` };
  }
  const problem = shapeProblem(header, LIMITS.depth);
  if (problem !== null) return malformed(problem);
  try {
    const message: unknown = packr.unpack(header);
    if (Buffer.compare(packr.pack(message), header) !== 0) return malformed('not in the one encoding that the specification allows');
    return { ok: true, message };
  } catch (error) {
    return malformed(`not MessagePack: ${messageOf(error)}`);
  }
}

function parse<M>(schema: z.ZodType<M>, value: unknown): Decoded<M> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, message: result.data };
  const [issue] = result.error.issues;
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.map(String).join('.')}: `;
  return malformed(`${where}${issue?.message ?? 'not valid'}`);
}

const SAME_VERSION = 'Install the same version of Stillhouse for both';

/** The fault of a hello whose sender means other messages than this program does; null for every other message. */
function foreignHello(value: unknown): Malformed | null {
  const hello = helloSchema.safeParse(value);
  if (!hello.success) return null;
  const { protocol, schema } = hello.data;
  if (protocol !== PROTOCOL_VERSION) {
    return {
      ok: false,
      reason: 'protocol-version',
      detail: `the worker speaks protocol ${protocol}, the coordinator ${PROTOCOL_VERSION}. ${SAME_VERSION}`,
    };
  }
  if (schema !== SCHEMA_HASH) {
    const detail = `the worker's messages are ${schema.slice(0, 12)}, the coordinator's ${SCHEMA_HASH.slice(0, 12)}. ${SAME_VERSION}`;
    return { ok: false, reason: 'schema-mismatch', detail };
  }
  return null;
}

/** The fields that the hello has in every version; its other fields may differ. */
const helloSchema = z.looseObject({ type: z.literal('worker.hello'), protocol: z.int(), schema: z.string().max(64) });

const headSchema = z.looseObject({ id: requestIdSchema });

function idOf(header: unknown): number | null {
  const head = headSchema.safeParse(header);
  return head.success ? head.data.id : null;
}

function pack(value: object, bytesMax: number, type: string): Uint8Array {
  const frame = packr.pack(value);
  if (frame.byteLength > bytesMax) throw tooLarge(type, `${frame.byteLength} bytes; at most ${bytesMax} are allowed`);
  return frame;
}

function tooLarge(type: string, what: string): StillhouseError {
  return new StillhouseError('protocol.invalid', `the message ${type} is too large: ${what}`);
}

/** Details quote the sender's bytes, so they are cut to the length that a message may carry. */
function malformed(detail: string): Malformed {
  return { ok: false, reason: 'invalid-message', detail: cutText(detail) };
}
