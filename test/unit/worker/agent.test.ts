import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { present } from '../../../src/base/assert.js';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { silentLogger } from '../../../src/log/logger.js';
import { decodeWorkerMessage, encodeControl } from '../../../src/protocol/codec.js';
import type { CoordinatorMessage, WorkerMessage } from '../../../src/protocol/control.js';
import { CONTROL_CHANNEL } from '../../../src/transport/channel.js';
import type { ConnectionId, Listener } from '../../../src/transport/transport.js';
import { type Agent, startAgent } from '../../../worker/agent/agent.js';
import type { EngineHandlers } from '../../../worker/agent/engine-host.js';
import { DEFAULT_SESSION_TIMING } from '../../../worker/agent/session-types.js';
import type { ToEngine } from '../../../worker/engine/engine-message.js';
import { createMemoryTransport } from '../../support/memory-transport.js';
import { VirtualClock } from '../shell/virtual-clock.js';

const ids = { term: asTerm(1), incarnation: asIncarnation(3) };

/** An engine process of which the test is the inside. */
interface FakeEngine extends EngineHandlers {
  readonly received: ToEngine[];
  isKilled: boolean;
}

let clock: VirtualClock;
let coordinator: Listener;
let agent: Agent;
let received: WorkerMessage[];
let peer: ConnectionId;
let engines: FakeEngine[];
let lines: string[];

beforeEach(async () => {
  clock = new VirtualClock();
  received = [];
  engines = [];
  lines = [];
  const transport = createMemoryTransport();
  coordinator = await transport.listen({
    endpoint: 'inproc://coordinator',
    ...CONTROL_CHANNEL,
    onMessage(from, frames) {
      const decoded = decodeWorkerMessage(frames);
      peer = from;
      if (decoded.ok) received.push(decoded.message);
    },
  });
  agent = await startAgent({
    plan: { worker: 'w', role: 'student', peer: null, host: 'here', pid: 1, timing: DEFAULT_SESSION_TIMING },
    coordinator: 'inproc://coordinator',
    engine: null,
    placement: { device: 'cpu', threads: 1 },
    listen: 'inproc://w',
    data: '/data/here',
    fedBytes: 1000,
    logFile: null,
    transport,
    clock,
    logger: silentLogger,
    tell: (line) => void lines.push(line),
    engineHost: {
      start(handlers) {
        let end: () => void = () => {};
        const ended = new Promise<void>((resolve) => {
          end = resolve;
        });
        const engine: FakeEngine = { ...handlers, received: [], isKilled: false };
        engines.push(engine);
        const kill = () => {
          if (engine.isKilled) return;
          engine.isKilled = true;
          end();
          setImmediate(() => handlers.onExit({ code: null, signal: 'SIGKILL' }));
        };
        return { ended, kill, send: (message) => void engine.received.push(message) };
      },
    },
  });
});
afterEach(() => coordinator.close());

async function say(message: CoordinatorMessage): Promise<void> {
  coordinator.send(peer, [encodeControl(message)]);
  await clock.advance(0);
  await clock.advance(0);
}

/** A welcome, without its incarnation. */
const WELCOME = {
  run: 'r',
  renewEveryMs: 400,
  leaseMs: 2_500,
  dataEndpoint: 'inproc://data',
  recipe: '{}',
  digests: { splits: {}, modules: {} },
};

/** Plays the coordinator and the engine until the agent works. */
async function attach(): Promise<FakeEngine> {
  await clock.advance(0);
  expect(received.map(({ type }) => type)).toEqual(['worker.hello']);
  await say({ type: 'coordinator.welcome', ...ids, ...WELCOME });
  const engine = present(engines[0], 'an engine');
  expect(engine.received[0]).toMatchObject({
    type: 'engine.configure',
    ...ids,
    run: 'r',
    recipe: '{}',
    dataEndpoint: 'inproc://data',
    engine: null,
    placement: { device: 'cpu', threads: 1 },
    data: '/data/here',
    fedBytes: 1000,
  });
  engine.onMessage({ type: 'worker.ready', ...ids, endpoint: 'inproc://w', engine: 'cpu' });
  await clock.advance(0);
  return engine;
}

describe('the agent', () => {
  test('joins, passes orders and reports on, renews, and ends with the run', async () => {
    const engine = await attach();
    await say({ type: 'coordinator.link', ...ids, stage: 's', version: 1, teachers: [] });
    expect(engine.received.at(-1)).toMatchObject({ type: 'coordinator.link', stage: 's' });
    engine.onMessage({ type: 'engine.progress', progress: 3, images: 24, busyMs: 9, dataBytes: 100, batchMs: 3 });
    await clock.advance(400);
    await clock.advance(0);
    const renewal = received.at(-1);
    expect(renewal).toMatchObject({ type: 'worker.renew', ...ids, progress: 3, images: 24 });
    expect(renewal?.type === 'worker.renew' && renewal.controlBytes).toBeGreaterThan(0);
    await say({ type: 'coordinator.stop', ...ids, outcome: 'done', message: '' });
    await clock.advance(1_000);
    expect((await agent.ended).code).toBe(0);
    expect(engine.isKilled).toBe(true);
    expect(lines).toEqual([
      'welcomed to the run r; its engine starts',
      'its engine cpu is up; it waits for work',
      'the run is over for this worker (done): ',
    ]);
  });

  test('tells at once that its engine is gone, and starts another for the next incarnation', async () => {
    const engine = await attach();
    engine.onMessage({ type: 'engine.opening', engine: 'tensorflow' });
    engine.onExit({ code: null, signal: 'SIGSEGV' });
    await clock.advance(0);
    expect(received.slice(-2).map(({ type }) => type)).toEqual(['worker.lost', 'worker.hello']);
    const message = expect.stringMatching(/^the engine tensorflow ended: signal SIGSEGV: .* If it happens again: install it again/);
    expect(received.at(-2)).toMatchObject({ ...ids, code: 'engine.crashed', message });
    await say({ type: 'coordinator.welcome', ...ids, incarnation: asIncarnation(4), ...WELCOME });
    expect(engines[1]?.received[0]).toMatchObject({ type: 'engine.configure', incarnation: 4 });
  });

  test('drains: leaves when the coordinator lets it, and at once when asked twice', async () => {
    const engine = await attach();
    agent.stop('SIGTERM');
    await clock.advance(0);
    expect(received.at(-1)).toMatchObject({ type: 'worker.leave', ...ids, message: 'SIGTERM' });
    expect(engine.isKilled).toBe(false);
    agent.stop('SIGTERM');
    await clock.advance(1_000);
    expect((await agent.ended).code).toBe(0);
    expect(engine.isKilled).toBe(true);
  });

  test('a pause of the whole worker is no silence of anybody: the engine goes on', async () => {
    const engine = await attach();
    engine.onMessage({ type: 'engine.progress', progress: 3, images: 24, busyMs: 9, dataBytes: 0, batchMs: 3 });
    const { budgetFloorMs } = DEFAULT_SESSION_TIMING;
    clock.freeze(10 * budgetFloorMs);
    await clock.advance(1_000);
    expect(received.map(({ type }) => type).filter((type) => type === 'worker.hello' || type === 'worker.lost')).toEqual(['worker.hello']);
    expect(engine.isKilled).toBe(false);
    // An engine that is silent while the agent runs is stuck all the same, if the coordinator is not.
    for (let ms = 0; ms <= budgetFloorMs; ms += 500) {
      await say({ type: 'coordinator.renewed', ...ids });
      await clock.advance(500);
    }
    expect(received.filter(({ type }) => type === 'worker.lost')).toMatchObject([{ code: 'engine.stuck' }]);
  });

  test('that the coordinator sends away ends its engine, and says why it ends', async () => {
    const engine = await attach();
    const message = 'data/train.gz: there is no such file';
    engine.onMessage({ type: 'worker.failed', ...ids, code: 'data.missing', message });
    await clock.advance(0);
    expect(received.at(-1)).toEqual({ type: 'worker.failed', ...ids, code: 'data.missing', message });
    await say({ type: 'coordinator.stop', ...ids, outcome: 'failed', message });
    await clock.advance(1_000);
    expect(await agent.ended).toEqual({ code: 1, reason: `the run is over for this worker (failed): ${message}` });
    expect(engine.isKilled).toBe(true);
  });

  test('gives up on a coordinator that never answers', async () => {
    await clock.advance(DEFAULT_SESSION_TIMING.joinMs);
    await clock.advance(1_000);
    expect(await agent.ended).toEqual({ code: 75, reason: 'no answer from the coordinator for 60000 ms' });
    expect(received.length).toBeGreaterThan(10);
  });
});
