/** The promises of every transport (src/transport/transport.ts), over memory and over ZeroMQ's inproc, ipc and tcp. */

import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.js';
import type { Frames } from '../../src/protocol/frames.js';
import type { ConnectionId, Dialer, Listener } from '../../src/transport/transport.js';
import { eventually, Inbox, turn } from '../support/inbox.js';
import { TRANSPORT_KINDS, type TransportKind } from '../support/transport-kind.js';

const MAXIMA = { frameBytesMax: 8 * 1024 * 1024, framesMax: 4, queueMax: 64 };
type Maxima = typeof MAXIMA;

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((end) => end.close()));
});

interface Received {
  readonly connection: ConnectionId;
  readonly frames: Frames;
}

async function listen({ transport, endpoint }: TransportKind, options: Partial<Maxima> & { at?: string } = {}) {
  const inbox = new Inbox<Received>();
  const { at = endpoint(), ...maxima } = options;
  const listener: Listener = await transport.listen({
    endpoint: at,
    ...MAXIMA,
    ...maxima,
    onMessage: (connection, frames) => inbox.add({ connection, frames }),
  });
  open.push(listener);
  return { listener, inbox };
}

async function dial({ transport }: TransportKind, endpoint: string, maxima: Partial<Maxima> = {}) {
  const inbox = new Inbox<Frames>();
  const dialer: Dialer = await transport.dial({ endpoint, ...MAXIMA, ...maxima, onMessage: (frames) => inbox.add(frames) });
  open.push(dialer);
  return { dialer, inbox };
}

const text = (message: string): Frames => [Buffer.from(message)];
const textOf = (frames: Frames | undefined): string => Buffer.from(frames?.[0] ?? []).toString();

function pattern(bytes: number): Uint8Array {
  const frame = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) frame[i] = (i * 31 + (i >>> 8)) & 0xff;
  return frame;
}

async function sendAll(count: number, send: (i: number) => string): Promise<void> {
  for (let i = 0; i < count; i++) {
    while (send(i) === 'full') await turn();
  }
}

describe.each(TRANSPORT_KINDS)('$name', (kind) => {
  test('messages arrive in order, both ways', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer, inbox: answers } = await dial(kind, listener.endpoint);
    await sendAll(1000, (i) => dialer.send(text(`up ${i}`)));
    const received = await inbox.until(1000);
    expect(received.map(({ frames }) => textOf(frames))).toEqual(Array.from({ length: 1000 }, (_, i) => `up ${i}`));
    const connection = received[0]!.connection;
    expect(new Set(received.map((message) => message.connection))).toEqual(new Set([connection]));
    await sendAll(1000, (i) => listener.send(connection, text(`down ${i}`)));
    expect((await answers.until(1000)).map(textOf)).toEqual(Array.from({ length: 1000 }, (_, i) => `down ${i}`));
  });

  test.each([0, 1, 127, 128, 129, 255, 256, 65_535, 65_536, 4 * 1024 * 1024])(
    'frames of %i bytes arrive as they were sent',
    async (bytes) => {
      const { listener, inbox } = await listen(kind);
      const { dialer, inbox: answers } = await dial(kind, listener.endpoint);
      const sent = [pattern(3), pattern(bytes), new Uint8Array(0), pattern(bytes)];
      dialer.send(sent);
      const [up] = await inbox.until(1);
      expect(up!.frames.map((frame) => frame.byteLength)).toEqual([3, bytes, 0, bytes]);
      expect(up!.frames.every((frame, i) => Buffer.compare(frame, sent[i]!) === 0)).toBe(true);
      listener.send(up!.connection, up!.frames);
      const [down] = await answers.until(1);
      expect(down!.every((frame, i) => Buffer.compare(frame, sent[i]!) === 0)).toBe(true);
    },
  );

  test('a view in the middle of a larger buffer arrives as the view', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint);
    const floats = Float32Array.from({ length: 4096 }, (_, i) => i / 3);
    dialer.send([new Uint8Array(floats.buffer, 4 * 1000, 4 * 2000)]);
    const [{ frames }] = (await inbox.until(1)) as [Received];
    const copy = Uint8Array.from(frames[0]!);
    expect(new Float32Array(copy.buffer)).toEqual(floats.slice(1000, 3000));
  });

  test('what a receiver does to a message does not reach the sender', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint);
    const sent = pattern(1000);
    dialer.send([sent]);
    const [{ frames }] = (await inbox.until(1)) as [Received];
    frames[0]!.fill(7);
    expect(Buffer.compare(sent, pattern(1000))).toBe(0);
  });

  test('each of 32 callers gets its own answers', async () => {
    const { listener, inbox } = await listen(kind);
    const callers = await Promise.all(Array.from({ length: 32 }, () => dial(kind, listener.endpoint)));
    callers.forEach(({ dialer }, i) => {
      dialer.send(text(String(i)));
    });
    const received = await inbox.until(32);
    expect(new Set(received.map(({ connection }) => connection)).size).toBe(32);
    for (const { connection, frames } of received) expect(listener.send(connection, text(`for ${textOf(frames)}`))).toBe('queued');
    const answers = await Promise.all(callers.map(({ inbox: answer }) => answer.until(1)));
    expect(answers.map(([answer]) => textOf(answer))).toEqual(callers.map((_, i) => `for ${i}`));
  });

  test('a queue to nobody is bounded, and delivers its messages when the listener comes', async () => {
    const spare = await listen(kind);
    const { endpoint } = spare.listener;
    await spare.listener.close();
    const { dialer } = await dial(kind, endpoint, { queueMax: 10 });
    const outcomes: string[] = [];
    for (let i = 0; i < 200; i++) {
      outcomes.push(dialer.send(text(String(i))));
      await turn();
    }
    const queued = outcomes.filter((outcome) => outcome === 'queued').length;
    expect(queued).toBeGreaterThanOrEqual(10);
    expect(queued).toBeLessThanOrEqual(10 + 16);
    const { inbox } = await listen(kind, { at: endpoint });
    const received = await inbox.until(queued);
    expect(received.map(({ frames }) => textOf(frames))).toEqual(Array.from({ length: queued }, (_, i) => String(i)));
  });

  test('a connection that was never there is gone, and one that left is found gone', async () => {
    const { listener, inbox } = await listen(kind);
    expect(listener.send('00ff', text('x'))).toBe('gone');
    const { dialer } = await dial(kind, listener.endpoint);
    dialer.send(text('hello'));
    const [{ connection }] = (await inbox.until(1)) as [Received];
    await dialer.close();
    await eventually(() => listener.send(connection, text('x')) === 'gone');
    expect(listener.send(connection, text('x'))).toBe('gone');
  });

  test('one that left does not hold up the others', async () => {
    const { listener, inbox } = await listen(kind);
    const first = await dial(kind, listener.endpoint);
    const second = await dial(kind, listener.endpoint);
    first.dialer.send(text('first'));
    await inbox.until(1);
    second.dialer.send(text('second'));
    const [a, b] = (await inbox.until(2)) as [Received, Received];
    await first.dialer.close();
    await sendAll(200, (i) => {
      listener.send(a.connection, text('lost'));
      return listener.send(b.connection, text(String(i)));
    });
    expect((await second.inbox.until(200)).length).toBe(200);
  });

  test('closing while messages are under way waits for none of them, may be done twice, and refuses what comes after', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint);
    dialer.send(text('hello'));
    const [{ connection }] = (await inbox.until(1)) as [Received];
    for (let i = 0; i < 40; i++) {
      dialer.send([pattern(1024 * 1024)]);
      listener.send(connection, [pattern(1024 * 1024)]);
    }
    // The timer that ends a close in vain never fires here: the sockets themselves must end, whatever they have not sent.
    const timers = vi.spyOn(systemClock, 'after').mockReturnValue({ cancel: () => {} });
    await Promise.all([dialer.close(), listener.close(), dialer.close(), listener.close()]);
    await Promise.all([dialer.close(), listener.close()]);
    timers.mockRestore();
    expect(dialer.send(text('x'))).toBe('full');
    expect(listener.send(connection, text('x'))).toBe('gone');
  });

  test('a dialer finds a listener that came back on the same address', async (context) => {
    context.skip(!kind.reconnects, `${kind.name} does not connect again`);
    const before = await listen(kind);
    const { endpoint } = before.listener;
    const { dialer, inbox: answers } = await dial(kind, endpoint);
    dialer.send(text('before'));
    await before.inbox.until(1);
    await before.listener.close();
    const after = await listen(kind, { at: endpoint });
    // The dialer loses a message that it sends before it knows that the connection is gone.
    await eventually(() => {
      dialer.send(text('after'));
      return after.inbox.items.length > 0;
    });
    const [{ connection, frames }] = (await after.inbox.until(1)) as [Received];
    expect(textOf(frames)).toBe('after');
    after.listener.send(connection, text('welcome'));
    expect((await answers.until(1)).map(textOf)).toEqual(['welcome']);
  });

  test("a frame over the listener's maximum is not delivered, and the listener lives on", async () => {
    const { listener, inbox } = await listen(kind, { frameBytesMax: 1000 });
    const { dialer } = await dial(kind, listener.endpoint, { frameBytesMax: 1_000_000 });
    const honest = await dial(kind, listener.endpoint);
    dialer.send([new Uint8Array(1001)]);
    honest.dialer.send([new Uint8Array(1000)]);
    const [{ frames }] = (await inbox.until(1)) as [Received];
    expect(frames[0]!.byteLength).toBe(1000);
    // The one that was cut off may connect again: what it sends then arrives. What it sends before it knows is lost.
    await eventually(() => {
      dialer.send(text('sorry'));
      return inbox.items.length > 1;
    });
    expect(textOf(inbox.items[1]?.frames)).toBe('sorry');
  });

  test('a message of too many frames is dropped and counted', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint, { framesMax: 100 });
    dialer.send(Array.from({ length: 5 }, () => new Uint8Array(1)));
    dialer.send(text('next'));
    expect((await inbox.until(1)).map(({ frames }) => textOf(frames))).toEqual(['next']);
    expect(listener.counters().refused).toBe(1);
  });

  test("to send beyond one's own maxima is a bug and throws", async () => {
    const { listener } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint, { frameBytesMax: 10 });
    expect(() => dialer.send([new Uint8Array(11)])).toThrow('beyond its channel');
    expect(() => dialer.send([])).toThrow('beyond its channel');
    expect(() =>
      listener.send(
        '00',
        Array.from({ length: 5 }, () => new Uint8Array(1)),
      ),
    ).toThrow('beyond its channel');
  });

  test('bytes are counted at both ends', async () => {
    const { listener, inbox } = await listen(kind);
    const { dialer } = await dial(kind, listener.endpoint);
    dialer.send([pattern(10), pattern(1000)]);
    await inbox.until(1);
    expect(dialer.counters()).toMatchObject({ sentBytes: 1010, receivedBytes: 0, refused: 0 });
    expect(listener.counters().receivedBytes).toBeGreaterThanOrEqual(1010);
  });

  test('an address in use, and text that is no address, are named', async () => {
    const { listener } = await listen(kind);
    await expect(listen(kind, { at: listener.endpoint })).rejects.toMatchObject({ code: 'transport.bind' });
    await expect(listen(kind, { at: 'tcp://127.0.0.1:99999' })).rejects.toThrow('is not an address');
    await expect(dial(kind, 'http://127.0.0.1:80')).rejects.toThrow('is not an address');
    const { dialer } = await dial(kind, listener.endpoint);
    expect(dialer.send(text('the first listener is unharmed'))).toBe('queued');
  });
});

/** A caller in plain ZMTP 3.0 that sends one message and reads nothing from then on. */
async function speakThenStopReading(endpoint: string, message: string): Promise<Socket> {
  const socket = connect({ port: Number(endpoint.split(':').at(-1)), host: '127.0.0.1' });
  const greeting = Buffer.alloc(64);
  greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0]);
  greeting.write('NULL', 12);
  const ready = Buffer.from('\x05READY\x0bSocket-Type\0\0\0\x06DEALER', 'latin1');
  socket.write(Buffer.concat([greeting, Buffer.from([0x04, ready.length]), ready]));
  let heard = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    heard += String(chunk);
    if (heard.includes('READY')) break;
  }
  socket.pause();
  socket.write(Buffer.concat([Buffer.from([0, message.length]), Buffer.from(message)]));
  return socket;
}

describe('tcp', () => {
  const tcp = TRANSPORT_KINDS.find(({ name }) => name === 'tcp')!;

  test.each([
    ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['nothing but zeros', '\0'.repeat(1000)],
    ['the start of a ZMTP greeting', '\xff\0\0\0\0\0\0\0\x01\x7f'],
  ])('%s on the port disturbs nobody', async (_name, bytes) => {
    const { listener, inbox } = await listen(tcp);
    const stranger = connect({ port: Number(listener.endpoint.split(':').at(-1)), host: '127.0.0.1' });
    stranger.on('error', () => stranger.destroy());
    stranger.write(bytes, 'latin1');
    const { dialer } = await dial(tcp, listener.endpoint);
    dialer.send(text('hello'));
    expect(await inbox.until(1)).toHaveLength(1);
    stranger.destroy();
  });

  test("a caller that stops reading fills its own queue and nobody else's", async () => {
    const { listener, inbox } = await listen(tcp, { queueMax: 8 });
    const reader = await dial(tcp, listener.endpoint);
    reader.dialer.send(text('reader'));
    const [{ connection }] = (await inbox.until(1)) as [Received];
    const mute = await speakThenStopReading(listener.endpoint, 'mute');
    const received = await inbox.until(2);
    expect(textOf(received[1]!.frames)).toBe('mute');
    const large = pattern(4 * 1024 * 1024);
    let queued = 0;
    while (listener.send(received[1]!.connection, [large]) === 'queued') {
      queued++;
      await turn();
    }
    expect(queued).toBeLessThan(32);
    for (let i = 0; i < 3; i++) expect(listener.send(connection, text('still served'))).toBe('queued');
    expect(await reader.inbox.until(3)).toHaveLength(3);
    mute.destroy();
  });
});
