/** The decoders of all frames that callers and servers send, and the check that they bear any frames. */

import { expect } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import {
  decodeCoordinatorMessage,
  decodeDataAnswer,
  decodeDataRequest,
  decodeWorkerMessage,
  encodeControl,
  encodeData,
} from '../../src/protocol/codec.js';
import { coordinatorMessageSchema, workerMessageSchema } from '../../src/protocol/control.js';
import { dataAnswerSchema, dataRequestSchema } from '../../src/protocol/data.js';
import type { Frames } from '../../src/protocol/frames.js';
import { COORDINATOR_MESSAGES, DATA_ANSWERS, DATA_REQUESTS, WORKER_MESSAGES } from './message-sample.js';

/** Each decoder, with frames that it accepts. */
export const DECODERS = [
  { decode: decodeWorkerMessage, schema: workerMessageSchema, valid: WORKER_MESSAGES.map((message): Frames => [encodeControl(message)]) },
  {
    decode: decodeCoordinatorMessage,
    schema: coordinatorMessageSchema,
    valid: COORDINATOR_MESSAGES.map((message): Frames => [encodeControl(message)]),
  },
  { decode: decodeDataRequest, schema: dataRequestSchema, valid: DATA_REQUESTS.map(([body, tensors]) => encodeData(body, 9, tensors)) },
  { decode: decodeDataAnswer, schema: dataAnswerSchema, valid: DATA_ANSWERS.map(([body, tensors]) => encodeData(body, 9, tensors)) },
] as const;

/** No decoder accepts the frames; each says why. */
export function expectRefused(frames: Frames): void {
  for (const { decode } of DECODERS) {
    const decoded = decode(frames);
    expect(decoded).toMatchObject({ ok: false, detail: expect.stringMatching(/./) });
    if (!decoded.ok) expect(decoded.detail.length).toBeLessThanOrEqual(LIMITS.textLength);
  }
}

/** Whatever arrives: none of the decoders throws, and what one accepts is valid by its schema and has the bytes of its shapes. */
export function expectHarmless(frames: Frames, decoders: readonly (typeof DECODERS)[number][] = DECODERS): void {
  for (const { decode, schema } of decoders) {
    const decoded = decode(frames);
    if (!decoded.ok) continue;
    const header = 'header' in decoded.message ? decoded.message.header : decoded.message;
    expect(schema.safeParse(header).success).toBe(true);
    const tensors = 'tensors' in decoded.message ? decoded.message.tensors : [];
    expect(tensors.map(({ data }) => data.byteLength)).toEqual(frames.slice(1).map((frame) => frame.byteLength));
  }
}
