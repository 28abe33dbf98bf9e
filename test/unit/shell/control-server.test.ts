/** The control server on real sockets: valid messages are delivered, everything else is refused, counted and logged. */

import { describe, expect, onTestFinished, test } from 'vitest';
import { openControlServer } from '../../../coordinator/shell/control-server.js';
import { LIMITS } from '../../../src/base/limits.js';
import { decodeCoordinatorMessage, encodeControl, SCHEMA_HASH } from '../../../src/protocol/codec.js';
import type { CoordinatorMessage, WorkerMessage } from '../../../src/protocol/control.js';
import type { Frames } from '../../../src/protocol/frames.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';
import { type LogLine, recordingLogger } from './recording-logger.js';

const hello: WorkerMessage = {
  type: 'worker.hello',
  protocol: PROTOCOL_VERSION,
  schema: SCHEMA_HASH,
  worker: 'student-1',
  role: 'student',
  peer: null,
  host: 'here',
  pid: 1,
};

/** Waits for what arrives, one by one. */
class Arrivals<T> {
  readonly all: T[] = [];
  #waiting: (() => void)[] = [];

  push(value: T): void {
    this.all.push(value);
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async count(n: number): Promise<readonly T[]> {
    while (this.all.length < n) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.all;
  }
}

async function opened(options: { takes?: boolean } = {}) {
  const lines: LogLine[] = [];
  const delivered = new Arrivals<{ connection: string; message: WorkerMessage }>();
  const server = await openControlServer({
    transport: zmqTransport,
    endpoint: 'tcp://127.0.0.1:*',
    logger: recordingLogger(lines),
    deliver: (connection, message) => {
      if (options.takes === false) return false;
      delivered.push({ connection, message });
      return true;
    },
  });
  onTestFinished(() => server.close());
  return { server, lines, delivered, dial: () => dial(server.endpoint) };
}

async function dial(endpoint: string) {
  const answers = new Arrivals<CoordinatorMessage>();
  const dialer = await zmqTransport.dial({
    endpoint,
    frameBytesMax: LIMITS.controlFrameBytes,
    framesMax: LIMITS.dataFrames,
    queueMax: LIMITS.controlQueue * 64,
    onMessage: (frames) => {
      const decoded = decodeCoordinatorMessage(frames);
      if (decoded.ok) answers.push(decoded.message);
    },
  });
  onTestFinished(() => dialer.close());
  return { answers, send: (frames: Frames) => dialer.send(frames) };
}

describe('a valid message', () => {
  test('is delivered, and its connection can be answered', async () => {
    const { server, delivered, dial } = await opened();
    const caller = await dial();
    caller.send([encodeControl(hello)]);
    const [first] = await delivered.count(1);
    expect(first?.message).toEqual(hello);
    expect(server.send(first?.connection ?? '', { type: 'refuse', reason: 'run-over', of: 'worker.hello', message: 'over' })).toBe(
      'queued',
    );
    expect(await caller.answers.count(1)).toEqual([{ type: 'refuse', reason: 'run-over', of: 'worker.hello', message: 'over' }]);
  });

  test('that finds no room is refused as busy', async () => {
    const { lines, dial } = await opened({ takes: false });
    const caller = await dial();
    caller.send([encodeControl(hello)]);
    expect(await caller.answers.count(1)).toMatchObject([{ type: 'refuse', reason: 'busy', of: 'worker.hello' }]);
    expect(lines).toMatchObject([{ level: 'warn', event: 'message.refused', fields: { reason: 'busy', total: 1 } }]);
  });

  test('to a connection that never was goes nowhere', async () => {
    const { server } = await opened();
    expect(server.send('00ff', { type: 'refuse', reason: 'busy', of: 'x', message: '' })).toBe('gone');
  });
});

describe('a hello of another program', () => {
  test.each([
    ['protocol-version', { protocol: 99 }, new RegExp(`99.*\\b${PROTOCOL_VERSION}\\b`)],
    ['schema-mismatch', { schema: 'f00' }, /f00.*[0-9a-f]{8}/],
  ])('is refused with %s, naming both', async (reason, change, both) => {
    const { delivered, dial } = await opened();
    const caller = await dial();
    caller.send([encodeControl({ ...hello, ...change } as WorkerMessage)]);
    expect(await caller.answers.count(1)).toMatchObject([
      { type: 'refuse', reason, of: 'worker.hello', message: expect.stringMatching(both) },
    ]);
    expect(delivered.all).toEqual([]);
  });
});

describe('what is no message', () => {
  const valid = encodeControl(hello);
  test.each<[string, Frames]>([
    ['an empty frame', [new Uint8Array(0)]],
    ['text', [new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n')]],
    ['a cut message', [valid.subarray(0, valid.length - 3)]],
    ['trailing bytes', [Uint8Array.from([...valid, 0])]],
    ['a coordinator message', [encodeControl({ type: 'refuse', reason: 'busy', of: 'x', message: '' })]],
    ['millions of nils', [Uint8Array.from([0xdd, 0, 0x10, 0, 0])]],
    ['deep nesting', [new Uint8Array(60_000).fill(0x91)]],
    ['noise', [Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255)]],
  ])('%s is refused, and the server goes on', async (_, frames) => {
    const { lines, delivered, dial } = await opened();
    const caller = await dial();
    caller.send(frames);
    expect(await caller.answers.count(1)).toMatchObject([{ type: 'refuse', reason: 'invalid-message' }]);
    expect(lines).toMatchObject([{ event: 'message.refused', fields: { reason: 'invalid-message', total: 1 } }]);
    caller.send([valid]);
    expect(await delivered.count(1)).toHaveLength(1);
  });

  test('ten thousand of them are answered and logged a few times, and do not keep others out', async () => {
    const { lines, delivered, dial } = await opened();
    const [hostile, honest] = [await dial(), await dial()];
    for (let i = 0; i < 10_000; i++) hostile.send([Uint8Array.of(1, 2, 3)]);
    // Behind the flood on the same connection: once it is there, so was everything before it.
    hostile.send([valid]);
    honest.send([valid]);
    await delivered.count(2);
    expect(hostile.answers.all.length).toBeLessThanOrEqual(16);
    expect(lines.length).toBeGreaterThan(100);
    expect(lines.length).toBeLessThan(120);
    expect(lines.at(-1)?.fields.total).toBe(8192);
  });
});
