/** A hostile caller, for whole runs: the bytes that it sends to a listener, in the protocol's form and as a stranger to it. */

import { connect, type Socket } from 'node:net';
import { LIMITS } from '../../src/base/limits.js';
import { Prng } from '../../src/base/prng.js';
import { encodeControl, encodeData } from '../../src/protocol/codec.js';
import type { Frames } from '../../src/protocol/frames.js';
import type { Dialer } from '../../src/transport/transport.js';
import { turn } from './inbox.js';
import { DATA_REQUESTS, WORKER_MESSAGES } from './message-sample.js';

/** Every how many bytes of a valid message one is changed. */
const CHANGE_EVERY = 5;

/** Headers that are no message. */
export const HOSTILE_HEADERS: readonly Uint8Array[] = [
  Buffer.alloc(0),
  Buffer.of(0xc1),
  Buffer.alloc(LIMITS.controlFrameBytes, 0xc0),
  Buffer.alloc(1000, 0x91),
  Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff),
  Buffer.from('\x81\xa9__proto__\x80', 'latin1'),
  Buffer.from('GET / HTTP/1.1\r\n\r\n'),
  ...Array.from({ length: 20 }, (_, index) => randomBytes(200, index)),
];

/** Control messages of another term, whole, cut and with changed bytes. A hello is not among them: anybody may say one. */
export function hostileControl(): readonly Frames[] {
  const valid = WORKER_MESSAGES.filter(({ type }) => type !== 'worker.hello').map((message) => encodeControl(message));
  return [...HOSTILE_HEADERS, ...valid, ...valid.flatMap(damaged)].map((frame) => [frame]);
}

/** Requests of another term, whole, with damaged headers, and with tensors that do not fit. */
export function hostileData(): readonly Frames[] {
  const valid = DATA_REQUESTS.map(([body, tensors], id) => encodeData(body, id, tensors));
  return [
    ...HOSTILE_HEADERS.map((header) => [header]),
    ...valid,
    ...valid.flatMap(([header = Buffer.alloc(0), ...tensors]) => damaged(header).map((other) => [other, ...tensors])),
    ...valid.map((frames) => [...frames, Buffer.alloc(7)]),
    ...valid.map(([header = Buffer.alloc(0)]) => [header]),
  ];
}

function damaged(frame: Uint8Array): Uint8Array[] {
  const places = Array.from({ length: Math.floor(frame.length / CHANGE_EVERY) }, (_, index) => index * CHANGE_EVERY);
  const changed = places.map((place) => Uint8Array.from(frame, (byte, index) => (index === place ? byte ^ 0x41 : byte)));
  return [frame.subarray(0, frame.length >> 1), ...changed];
}

/** Sends all, as fast as the connection takes it. */
export async function sendAll(dialer: Dialer, messages: readonly Frames[]): Promise<void> {
  for (const frames of messages) {
    while (dialer.send(frames) === 'full') await turn();
  }
}

/** Connections that do not speak ZeroMQ: one talks HTTP, one talks at random, one says a byte and waits. */
export function strangersTo(endpoint: string): readonly Socket[] {
  const { hostname, port } = new URL(endpoint.replace('tcp:', 'http:'));
  return [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), randomBytes(4096, 1), Buffer.of(0xff)].map((words) => {
    const socket = connect(Number(port), hostname);
    // Being cut off is what it deserves.
    socket.on('error', () => socket.destroy());
    socket.write(words);
    return socket;
  });
}

function randomBytes(count: number, seed: number): Uint8Array {
  const draws = new Prng(seed);
  return Uint8Array.from({ length: count }, () => draws.below(256));
}
