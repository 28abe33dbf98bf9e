import { expect, test } from 'vitest';
import { asTerm } from '../../../src/base/ids.js';
import { type DataServer, serveData } from '../../../src/rpc/data-server.js';
import type { Transport } from '../../../src/transport/transport.js';
import { Connections } from '../../../worker/kit/connections.js';
import { DATA_TIMING } from '../../../worker/kit/timing.js';
import { createMemoryTransport } from '../../support/memory-transport.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const body = {
  type: 'state.get',
  term: asTerm(1),
  state: { stage: 's', peer: 'model', round: 1 },
  hash: 'a'.repeat(64),
  start: 0,
  end: 1,
} as const;

/** A transport that knows which endpoints are dialled. */
function watched(transport: Transport): { readonly transport: Transport; readonly dialled: string[] } {
  const dialled: string[] = [];
  const dial: Transport['dial'] = async (options) => {
    const dialer = await transport.dial(options);
    dialled.push(options.endpoint);
    const close = async () => {
      dialled.splice(dialled.indexOf(options.endpoint), 1);
      await dialer.close();
    };
    return { ...dialer, send: (frames) => dialer.send(frames), counters: () => dialer.counters(), close };
  };
  return { transport: { ...transport, listen: (options) => transport.listen(options), dial }, dialled };
}

function serve(transport: Transport, endpoint: string): Promise<DataServer> {
  return serveData({
    transport,
    endpoint,
    answer: async () => ({ header: { type: 'refuse', reason: 'missing', message: '' }, tensors: [] }),
  });
}

test('connections that nobody uses any more are closed, and their bytes still count', async () => {
  const clock = new VirtualClock();
  const { transport, dialled } = watched(createMemoryTransport());
  const alive = await serve(transport, 'inproc://alive');
  const dying = await serve(transport, 'inproc://dying');
  const connections = new Connections(transport, clock);
  const ask = (endpoint: string, deadlineMs = 100) => connections.request(endpoint, { body, deadlineMs });
  await expect(ask('inproc://alive')).rejects.toMatchObject({ reason: 'missing' });
  await expect(ask('inproc://dying')).rejects.toMatchObject({ reason: 'missing' });
  await dying.close();
  const late = expect(ask('inproc://dying')).rejects.toMatchObject({ code: 'transport.deadline' });
  await clock.advance(100);
  await late;
  const bytes = connections.bytes();
  expect(dialled).toEqual(['inproc://alive', 'inproc://dying']);

  for (let ms = 0; ms <= DATA_TIMING.connectionUnusedMs; ms += 1_000) {
    await clock.advance(1_000);
    await expect(ask('inproc://alive')).rejects.toMatchObject({ reason: 'missing' });
  }
  await clock.advance(0);
  expect(dialled).toEqual(['inproc://alive']);
  expect(connections.bytes()).toBeGreaterThan(bytes);
  await connections.close();
  await alive.close();
});

test('a connection on which an answer is awaited stays open', async () => {
  const clock = new VirtualClock();
  const { transport, dialled } = watched(createMemoryTransport());
  const connections = new Connections(transport, clock);
  const alive = await serve(transport, 'inproc://alive');
  const deadlineMs = 3 * DATA_TIMING.connectionUnusedMs;
  const slow = expect(connections.request('inproc://slow', { body, deadlineMs })).rejects.toMatchObject({ code: 'transport.deadline' });
  await clock.advance(2 * DATA_TIMING.connectionUnusedMs);
  await expect(connections.request('inproc://alive', { body, deadlineMs: 100 })).rejects.toMatchObject({ reason: 'missing' });
  await clock.advance(0);
  expect(dialled).toEqual(['inproc://slow', 'inproc://alive']);
  await clock.advance(DATA_TIMING.connectionUnusedMs);
  await slow;
  await connections.close();
  await alive.close();
});
