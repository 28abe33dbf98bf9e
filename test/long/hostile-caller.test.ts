/** A run whose ports are attacked, and strangers that ask to take part: the run does not notice. */

import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { asIncarnation, asTerm } from '../../src/base/ids.js';
import { LIMITS } from '../../src/base/limits.js';
import { decodeCoordinatorMessage, decodeDataAnswer, encodeControl, encodeData, SCHEMA_HASH } from '../../src/protocol/codec.js';
import type { WorkerMessage } from '../../src/protocol/control.js';
import type { Frames } from '../../src/protocol/frames.js';
import { PROTOCOL_VERSION } from '../../src/protocol/version.js';
import { CONTROL_CHANNEL, DATA_CHANNEL } from '../../src/transport/channel.js';
import type { Dialer, DialOptions } from '../../src/transport/transport.js';
import { zmqTransport } from '../../src/transport/zmq-transport.js';
import { auditRun } from '../support/audit.js';
import { hostileControl, hostileData, sendAll, strangersTo } from '../support/hostile-caller.js';
import { WAIT_MS } from '../support/run-process.js';
import { logged, loggedOnce, summaryOf } from '../support/run-record.js';
import { useRunRoom } from '../support/run-room.js';
import { smallRecipe } from '../support/small-recipe.js';

const room = useRunRoom();

/** A message of a term that no other message has, so that its refusal can be told apart. */
const LAST = {
  type: 'worker.leave',
  term: asTerm(987_654),
  incarnation: asIncarnation(1),
  message: 'last',
} as const satisfies WorkerMessage;
const FRAME_TOO_LONG = LIMITS.controlFrameBytes + 1;

describe('hostile callers', () => {
  test('a run under attack on its control and data ports ends as any other', async () => {
    const cli = room.start('run', room.recipe(smallRecipe({ studentEpochs: 30 })), '--out', room.runs, '--json');
    const { run } = await cli.said('run-started');
    const folder = join(room.runs, run);
    await cli.said('progress', ({ stage, committed, samples }) => stage === 'student' && committed > samples / 10);

    const { control, data } = loggedOnce(folder, 'coordinator.listening');
    const engines = logged(folder, 'worker.ready').map(({ endpoint }) => String(endpoint));
    expect(engines.length).toBe(3);
    expect(await sayHello(String(control))).toMatch(`protocol ${PROTOCOL_VERSION + 1}, the coordinator ${PROTOCOL_VERSION}`);
    for (const endpoint of [String(control), String(data), ...engines]) {
      for (const socket of strangersTo(endpoint)) onTestFinished(() => void socket.destroy());
    }
    await attackControl(String(control));
    for (const endpoint of [String(data), ...engines]) await attackData(endpoint);
    expect(cli.linesOf('stage-done').length, 'the attack is over before the stage is').toBe(1);

    expect(await cli.exit()).toBe(0);
    expect(await auditRun(folder)).toEqual({ teacher: [], student: [] });
    expect(summaryOf(folder).restarts).toBe(0);
    expect(cli.linesOf('worker-gone')).toEqual([]);
    expect(logged(folder, 'worker.welcomed').length).toBe(3);
  });
});

/** A connection, and a wait for the first of its answers that fits. */
async function dial(
  options: Omit<DialOptions, 'onMessage'>,
): Promise<{ dialer: Dialer; answer<T>(find: (frames: Frames) => T | undefined): Promise<T> }> {
  const seen: Frames[] = [];
  let look = (): void => {};
  const dialer = await zmqTransport.dial({
    ...options,
    onMessage: (frames) => {
      seen.push(frames);
      look();
    },
  });
  onTestFinished(() => dialer.close());
  const answer = <T>(find: (frames: Frames) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${options.endpoint} did not answer`)), WAIT_MS);
      look = () => {
        for (const frames of seen.splice(0)) {
          const found = find(frames);
          if (found === undefined) continue;
          clearTimeout(timer);
          resolve(found);
        }
      };
      look();
    });
  return { dialer, answer };
}

/** The refusal of a worker of the next version, in the words of the coordinator. */
async function sayHello(endpoint: string): Promise<string> {
  const { dialer, answer } = await dial({ endpoint, ...CONTROL_CHANNEL });
  const who = { worker: 'student-9', role: 'student', peer: null, host: 'elsewhere', pid: 1, schema: SCHEMA_HASH } as const;
  dialer.send([encodeControl({ type: 'worker.hello', protocol: PROTOCOL_VERSION + 1, ...who } satisfies WorkerMessage)]);
  return answer((frames) => {
    const decoded = decodeCoordinatorMessage(frames);
    if (!decoded.ok || decoded.message.type !== 'refuse' || decoded.message.reason !== 'protocol-version') return undefined;
    return decoded.message.message;
  });
}

/** Returns when the coordinator has taken all of it: what is sent last is answered last. */
async function attackControl(endpoint: string): Promise<void> {
  const oversize = await dial({ endpoint, ...CONTROL_CHANNEL, frameBytesMax: FRAME_TOO_LONG });
  await sendAll(oversize.dialer, [[Buffer.alloc(FRAME_TOO_LONG)]]);
  const crowd = await dial({ endpoint, ...CONTROL_CHANNEL, framesMax: 9 });
  await sendAll(crowd.dialer, [Array.from({ length: 9 }, () => Buffer.alloc(1))]);
  const { dialer, answer } = await dial({ endpoint, ...CONTROL_CHANNEL });
  await sendAll(dialer, hostileControl());
  const again = setInterval(() => dialer.send([encodeControl(LAST)]), 200);
  await answer((frames) => {
    const decoded = decodeCoordinatorMessage(frames);
    return (decoded.ok && decoded.message.type === 'refuse' && decoded.message.message.includes(String(LAST.term))) || undefined;
  }).finally(() => clearInterval(again));
}

/** Returns when the server answers somebody else: a caller that floods it may be left without answers. */
async function attackData(endpoint: string): Promise<void> {
  const crowd = await dial({ endpoint, ...DATA_CHANNEL, framesMax: LIMITS.dataFrames + 1 });
  await sendAll(crowd.dialer, [Array.from({ length: LIMITS.dataFrames + 1 }, () => Buffer.alloc(1))]);
  const flood = await dial({ endpoint, ...DATA_CHANNEL });
  await sendAll(flood.dialer, hostileData());
  const { dialer, answer } = await dial({ endpoint, ...DATA_CHANNEL });
  const ask = { type: 'checkpoint.get', state: { stage: 'nowhere', peer: 'model', round: 1 }, column: null, start: 0, end: 1 } as const;
  // As every caller does, it asks again: a request may be lost behind a flood.
  let id = 0;
  const again = setInterval(() => dialer.send(encodeData(ask, ++id, [])), 200);
  await answer((frames) => {
    const decoded = decodeDataAnswer(frames);
    return (decoded.ok && decoded.message.header.type === 'refuse') || undefined;
  }).finally(() => clearInterval(again));
}
