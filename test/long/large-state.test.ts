/** A state of more than a message carries, as that of crd on ImageNet is: to the coordinator's disk and back over sockets, with its memory measured. */

import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, onTestFinished, test } from 'vitest';
import type { CoreEvent } from '../../coordinator/core/types.js';
import { DataStore } from '../../coordinator/shell/data-store.js';
import { takeTerm } from '../../coordinator/shell/term.js';
import { systemClock } from '../../src/base/clock.js';
import { asIncarnation, asTerm } from '../../src/base/ids.js';
import { LIMITS } from '../../src/base/limits.js';
import { openCheckpointStore } from '../../src/checkpoint/store.js';
import { serveData } from '../../src/rpc/data-server.js';
import { PART_ELEMENTS } from '../../src/tensor/state-parts.js';
import { hashState, splitState } from '../../src/tensor/state-tensors.js';
import { zmqTransport } from '../../src/transport/zmq-transport.js';
import { Connections } from '../../worker/kit/connections.js';
import type { EngineContext } from '../../worker/kit/context.js';
import { fetchCheckpoint } from '../../worker/kit/fetch-state.js';
import { saveState } from '../../worker/student/saving.js';
import { feedOf, NO_DATA } from '../support/split-feed.js';
import { stateOf, topologyFor } from '../unit/checkpoint/content.js';
import { recordingLogger } from '../unit/shell/recording-logger.js';
import { scratchFolder } from '../unit/shell/scratch-folder.js';

const MIB = 2 ** 20;
const MODEL = 1_000_000;
/** 600 MiB: rows of 128 numbers of 614,400 images, two of each. */
const MEMORY = 150 * MIB;
const term = asTerm(1);
const incarnation = asIncarnation(3);

test('600 MiB of memory are stored and come back to the bit; nobody holds them twice but who asks for them', async () => {
  const folder = scratchFolder();
  const logger = recordingLogger([]);
  const store = await openCheckpointStore(join(folder, 'checkpoints'));
  const events: CoreEvent[] = [];
  const options = { term: await takeTerm(join(folder, 'terms'), {}), store, feed: feedOf(NO_DATA, {}), logger };
  const data = new DataStore({ ...options, onStored: (event) => events.push(event), onOver: () => {} });
  let peak = 0;
  const server = await serveData({
    transport: zmqTransport,
    endpoint: 'tcp://127.0.0.1:*',
    answer: async (request) => {
      const reply = await data.answer(request);
      peak = Math.max(peak, process.memoryUsage().rss);
      return reply;
    },
  });
  const connections = new Connections(zmqTransport, systemClock);
  onTestFinished(async () => {
    await connections.close();
    await server.close();
  });
  const services = { logger, connections, clock: systemClock, partElements: PART_ELEMENTS };
  const context = { term, incarnation, dataEndpoint: server.endpoint, ...services } as unknown as EngineContext;

  const parameters = new Float32Array(MODEL + MEMORY);
  for (let i = 0; i < parameters.length; i++) parameters[i] = Math.fround((Math.imul(i, 0x9e3779b1) >> 8) * 2 ** -23);
  const schema = { size: parameters.length, model: { size: MODEL, hash: 'ab'.repeat(32) } };
  const slots = new Float32Array(MODEL).fill(0.25);
  const tensors = splitState({ parameters, slots }, schema);
  const state = { state: stateOf(2), hash: hashState(tensors), ranges: [{ start: 0, end: 8 }] };
  data.expect({ type: 'coordinator.commit', term, incarnation, state: state.state, hash: state.hash, committed: 8 });
  data.expect({ type: 'coordinator.save', term, incarnation, state: state.state, column: 0, others: [] });

  const before = process.memoryUsage().rss;
  const startMs = performance.now();
  const saved = { ...state, parameters, slots, slotsFor: 'own', isChecked: true } as const;
  const model = { program: { schema }, topology: topologyFor(MODEL) } as unknown as Parameters<typeof saveState>[2]['model'];
  await saveState(context, saved, { model, column: 0, others: [] });
  const storedMs = performance.now();
  const held = (peak - before) / MIB;
  expect(store.list().whole.map(({ hash }) => hash)).toEqual([state.hash]);
  expect(events).toHaveLength(Math.ceil((4 * (MODEL + MEMORY + MODEL)) / LIMITS.partBytes));
  expect(held, 'MiB held while it was stored').toBeLessThan(400);

  const { tensors: fetched } = await fetchCheckpoint(
    context,
    { ...state, schema: schema.model.hash, lengths: new Map([['slots', MODEL]]) },
    0,
  );
  const seconds = [storedMs - startMs, performance.now() - storedMs].map((ms) => (ms / 1000).toFixed(1));
  for (const [name, values] of tensors) expect(Buffer.compare(bytesOf(fetched.get(name)), bytesOf(values)), name).toBe(0);
  console.log(`stored in ${seconds[0]} s with ${held.toFixed(0)} MiB more memory, fetched in ${seconds[1]} s`);
});

function bytesOf(values: Float32Array | undefined): Uint8Array {
  return values === undefined ? new Uint8Array(0) : new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
