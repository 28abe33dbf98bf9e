/** The proxy that puts a delay between two processes. */

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { type DelayProxy, openDelayProxy } from '../../bench/delay-proxy.js';

const DELAY_MS = 60;
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A server that sends back what it gets, and a proxy before it. */
async function echoBehindProxy(): Promise<{ readonly proxy: DelayProxy; readonly served: Socket[] }> {
  const served: Socket[] = [];
  const server = createServer((socket) => void served.push(socket.pipe(socket)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await openDelayProxy({ port: (server.address() as AddressInfo).port, delayMs: DELAY_MS });
  closing.push(
    () => proxy.close(),
    () => server.close(),
  );
  return { proxy, served };
}

async function call(proxy: DelayProxy): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  closing.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function read(socket: Socket, length: number): Promise<string> {
  let text = '';
  for (;;) {
    const [piece] = (await once(socket, 'data')) as [Buffer];
    text += piece.toString();
    if (text.length >= length) return text;
  }
}

test('data arrives whole and in order, after the delay of each way', async () => {
  const { proxy } = await echoBehindProxy();
  const socket = await call(proxy);
  const startMs = performance.now();
  const words = Array.from({ length: 40 }, (_, i) => `word ${i}. `);
  for (const word of words) socket.write(word);
  expect(await read(socket, words.join('').length)).toBe(words.join(''));
  // A timer of Node may come a part of a millisecond early.
  expect(performance.now() - startMs).toBeGreaterThan(2 * DELAY_MS - 2);
});

test('a connection that the server closes is closed for the caller', async () => {
  const { proxy, served } = await echoBehindProxy();
  const socket = await call(proxy);
  socket.write('hello');
  await read(socket, 5);
  served[0]?.destroy();
  await once(socket, 'close');
});

test('a proxy that closes ends its connections', async () => {
  const { proxy } = await echoBehindProxy();
  const socket = await call(proxy);
  socket.write('hello');
  await read(socket, 5);
  const closed = once(socket, 'close');
  await proxy.close();
  closing.shift();
  await closed;
});
