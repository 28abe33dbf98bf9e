/** Every message type goes there and back; the golden frames notice a change of the wire. */

import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { asTerm } from '../../../src/base/ids.js';
import { LIMITS } from '../../../src/base/limits.js';
import {
  decodeCoordinatorMessage,
  decodeDataAnswer,
  decodeDataRequest,
  decodeWorkerMessage,
  encodeControl,
  encodeData,
  SCHEMA_HASH,
} from '../../../src/protocol/codec.js';
import { coordinatorMessageSchema, type WorkerMessage, workerMessageSchema } from '../../../src/protocol/control.js';
import { dataAnswerSchema, dataRequestSchema } from '../../../src/protocol/data.js';
import { cutText } from '../../../src/protocol/field.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';
import { LOGITS_SPEC } from '../../../src/tensor/knowledge.js';
import { COORDINATOR_MESSAGES, DATA_ANSWERS, DATA_REQUESTS, WORKER_MESSAGES } from '../../support/message-sample.js';

const typesOf = (schema: { options: readonly { shape: { type: { value: string } } }[] }) => schema.options.map((o) => o.shape.type.value);

describe('samples', () => {
  test('there is one of every type', () => {
    expect(WORKER_MESSAGES.map(({ type }) => type)).toEqual(typesOf(workerMessageSchema));
    expect([...new Set(COORDINATOR_MESSAGES.map(({ type }) => type))]).toEqual(typesOf(coordinatorMessageSchema));
    expect([...new Set(DATA_REQUESTS.map(([{ type }]) => type))]).toEqual(typesOf(dataRequestSchema));
    expect(DATA_ANSWERS.map(([{ type }]) => type)).toEqual(typesOf(dataAnswerSchema));
  });
});

describe('control', () => {
  test.each(WORKER_MESSAGES.map((message) => [message.type, message] as const))('%s goes there and back', (_type, message) => {
    expect(decodeWorkerMessage([encodeControl(message)])).toEqual({ ok: true, message });
  });

  test.each(COORDINATOR_MESSAGES.map((message) => [message.type, message] as const))('%s goes there and back', (_type, message) => {
    expect(decodeCoordinatorMessage([encodeControl(message)])).toEqual({ ok: true, message });
  });

  test.each([
    [true, 'may touch', [1, 2, 5], [2, 3, 9]],
    [false, 'do not overlap', [0, 2], [3, 4]],
    [false, 'are there once', [0, 0], [3, 3]],
    [false, 'ascend', [3, 0], [4, 3]],
  ])('%s: ranges %s', (ok, _, starts, ends) => {
    const assign = COORDINATOR_MESSAGES.find(({ type }) => type === 'coordinator.assign');
    const ranges = starts.map((start, index) => ({ start, end: ends[index] }));
    const message = {
      ...assign,
      work: { kind: 'train', column: 0, replicas: 1, ranges, roundSamples: 3, others: [], row: [], measures: false },
    } as (typeof COORDINATOR_MESSAGES)[number];
    expect(decodeCoordinatorMessage([encodeControl(message)]).ok).toBe(ok);
  });

  test('a frame is decoded wherever it lies in its buffer', () => {
    for (const message of WORKER_MESSAGES) {
      const frame = encodeControl(message);
      const buffer = new Uint8Array(frame.byteLength + 9);
      buffer.set(frame, 5);
      expect(decodeWorkerMessage([buffer.subarray(5, 5 + frame.byteLength)])).toEqual({ ok: true, message });
    }
  });

  test('a worker does not pass for a coordinator, nor the other way round', () => {
    for (const message of WORKER_MESSAGES) expect(decodeCoordinatorMessage([encodeControl(message)]).ok).toBe(false);
    for (const message of COORDINATOR_MESSAGES) expect(decodeWorkerMessage([encodeControl(message)]).ok).toBe(false);
  });

  test('a hello in another version is told from a damaged one, with both versions named', () => {
    const hello = WORKER_MESSAGES[0] as WorkerMessage & { type: 'worker.hello' };
    const newer = decodeWorkerMessage([encodeControl({ ...hello, protocol: PROTOCOL_VERSION + 1, more: 'fields' } as never)]);
    expect(newer).toEqual({
      ok: false,
      reason: 'protocol-version',
      detail: `the worker speaks protocol ${PROTOCOL_VERSION + 1}, the coordinator ${PROTOCOL_VERSION}. Install the same version of Stillhouse for both`,
    });
    const other = decodeWorkerMessage([encodeControl({ ...hello, schema: 'f'.repeat(64) })]);
    expect(other).toMatchObject({ ok: false, reason: 'schema-mismatch' });
    expect((other as { detail: string }).detail).toContain(SCHEMA_HASH.slice(0, 12));
    expect(decodeWorkerMessage([encodeControl({ ...hello, pid: -1 })])).toMatchObject({ ok: false, reason: 'invalid-message' });
  });

  test('a message beyond the frame maximum is not encoded', () => {
    const message = { ...COORDINATOR_MESSAGES[0]!, recipe: 'x'.repeat(LIMITS.controlFrameBytes) } as (typeof COORDINATOR_MESSAGES)[0];
    expect(() => encodeControl(message)).toThrow('too large');
  });

  test('frames of earlier messages are not changed by later ones', () => {
    const frames = WORKER_MESSAGES.map(encodeControl);
    const copies = frames.map((frame) => Uint8Array.from(frame));
    for (let i = 0; i < 1000; i++) encodeControl(WORKER_MESSAGES[i % WORKER_MESSAGES.length]!);
    expect(frames.every((frame, i) => Buffer.compare(frame, copies[i]!) === 0)).toBe(true);
  });
});

describe('data', () => {
  test.each(DATA_REQUESTS.map(([body, tensors]) => [body.type, body, tensors] as const))(
    '%s goes there and back',
    (_type, body, tensors) => {
      const specs = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
      const decoded = decodeDataRequest(encodeData(body, 2 ** 32 - 1, tensors));
      expect(decoded).toEqual({ ok: true, message: { header: { ...body, id: 2 ** 32 - 1, tensors: specs }, tensors } });
    },
  );

  test.each(DATA_ANSWERS.map(([body, tensors]) => [body.type, body, tensors] as const))(
    '%s goes there and back',
    (_type, body, tensors) => {
      const specs = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
      const decoded = decodeDataAnswer(encodeData(body, 0, tensors));
      expect(decoded).toEqual({ ok: true, message: { header: { ...body, id: 0, tensors: specs }, tensors } });
    },
  );

  test("tensor frames are views on the sender's memory, and decoded tensors on the frames", () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    const frames = encodeData({ type: 'knowledge.answer', stage: 's' }, 1, [{ name: 'knowledge.0', dtype: 'float32', shape: [2], data }]);
    expect(frames[1]!.buffer).toBe(data.buffer);
    expect([frames[1]!.byteOffset, frames[1]!.byteLength]).toEqual([4, 8]);
    const decoded = decodeDataAnswer(frames);
    expect(decoded.ok && decoded.message.tensors[0]!.data.buffer).toBe(data.buffer);
    expect(decoded.ok && [...decoded.message.tensors[0]!.data]).toEqual([2, 3]);
  });

  test.each([1, 2, 3])('a tensor frame at byte offset %i is copied, and right', (offset) => {
    const [header, frame] = encodeData(...sample());
    const shifted = new Uint8Array(frame!.byteLength + 8);
    shifted.set(frame!, offset);
    const decoded = decodeDataRequest([header!, shifted.subarray(offset, offset + frame!.byteLength)]);
    expect(decoded.ok && [...decoded.message.tensors[0]!.data]).toEqual([5, -1, 2 ** 31 - 1]);
    expect(decoded.ok && decoded.message.tensors[0]!.data.buffer).not.toBe(shifted.buffer);
  });

  test('a tensor that is not what it says is a bug and throws', () => {
    const header = { type: 'knowledge.answer', stage: 's' } as const;
    const data = new Float32Array(3);
    expect(() => encodeData(header, 1, [{ name: 'x', dtype: 'float32', shape: [2], data }])).toThrow('tensor x is not float32 [2]');
    expect(() => encodeData(header, 1, [{ name: 'x', dtype: 'uint8', shape: [3], data }])).toThrow('tensor x is not uint8 [3]');
    const many = Array.from({ length: LIMITS.dataFrames }, () => ({ name: 'x', dtype: 'float32', shape: [3], data }) as const);
    expect(() => encodeData(header, 1, many)).toThrow('at most 16');
  });
});

/** The golden values below belong to this version of the protocol. */
const GOLDEN_VERSION = 6;
const CHANGED =
  'the messages on the wire are not those of this protocol version: raise PROTOCOL_VERSION in src/protocol/version.ts (processes of the old version are then refused by name), or, before anything of this version was released, update the golden values here';

test('the schemas and the bytes of every sample are those of the protocol version', () => {
  const frames = [
    ...[...WORKER_MESSAGES.slice(1), ...COORDINATOR_MESSAGES].map((message) => [encodeControl(message)]),
    ...[...DATA_REQUESTS, ...DATA_ANSWERS].map(([body, tensors]) => encodeData(body, 9, tensors)),
  ];
  const digest = createHash('sha256');
  for (const frame of frames.flat()) digest.update(frame);
  const actual = { version: PROTOCOL_VERSION, schemas: SCHEMA_HASH.slice(0, 16), frames: digest.digest('hex').slice(0, 16) };
  expect(actual, CHANGED).toEqual({ version: GOLDEN_VERSION, schemas: 'ed339b57aaeeb4e3', frames: '2e06b96c3201f1d8' });
});

test('one frame, byte for byte', () => {
  const frame = encodeControl({ type: 'refuse', reason: 'busy', of: 'x', message: 'é' });
  expect(Buffer.from(frame).toString('latin1')).toBe('\x84\xa4type\xa6refuse\xa6reason\xa4busy\xa2of\xa1x\xa7message\xa2\xc3\xa9');
});

test('cut text always fits and never breaks a character in two', () => {
  const text = `${'x'.repeat(LIMITS.textLength - 1)}😀`;
  const message = cutText(text);
  expect(message.length).toBeLessThanOrEqual(LIMITS.textLength);
  const decoded = decodeCoordinatorMessage([encodeControl({ type: 'refuse', reason: 'failed', of: 'x', message })]);
  expect(decoded).toMatchObject({ ok: true, message: { message } });
});

function sample(): Parameters<typeof encodeData> {
  const samples = { name: 'samples', dtype: 'int32', shape: [3], data: Int32Array.of(5, -1, 2 ** 31 - 1) } as const;
  return [
    { type: 'knowledge.get', term: asTerm(1), stage: 's', about: { of: 'view', epoch: 0 }, specs: [LOGITS_SPEC], half: false },
    1,
    [samples],
  ];
}
