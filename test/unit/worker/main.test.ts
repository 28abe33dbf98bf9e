/** The worker's compiled process, started by hand: no parent, no log file. The test is its coordinator. */

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { distFolder } from '../../../src/process/package-folder.js';
import { decodeWorkerMessage, encodeControl } from '../../../src/protocol/codec.js';
import type { CoordinatorMessage, WorkerMessage } from '../../../src/protocol/control.js';
import { CONTROL_CHANNEL } from '../../../src/transport/channel.js';
import type { Listener } from '../../../src/transport/transport.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';

let coordinator: Listener;
let answer: CoordinatorMessage;
let received: WorkerMessage[];

beforeEach(async () => {
  received = [];
  coordinator = await zmqTransport.listen({
    endpoint: 'tcp://127.0.0.1:*',
    ...CONTROL_CHANNEL,
    onMessage(from, frames) {
      const decoded = decodeWorkerMessage(frames);
      if (!decoded.ok) throw new Error(decoded.detail);
      received.push(decoded.message);
      if (decoded.message.type === 'worker.hello') coordinator.send(from, [encodeControl(answer)]);
    },
  });
});
afterEach(() => coordinator.close());

function work(): Promise<{ readonly code: number | string | null | undefined; readonly stderr: string }> {
  const plan = { role: 'student', coordinator: coordinator.endpoint, name: 'w', insecure: false };
  return new Promise((resolve) => {
    execFile(process.execPath, [join(distFolder, 'worker/main.js'), JSON.stringify(plan)], (error, _stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stderr }),
    );
  });
}

test('who is refused reads why', async () => {
  answer = { type: 'refuse', reason: 'protocol-version', of: 'worker.hello', message: 'here is 7' };
  expect(await work()).toEqual({ code: 2, stderr: 'error: here is 7\n' });
});

test('whose engine cannot work here reads why, and so does the coordinator', async () => {
  const ids = { term: asTerm(1), incarnation: asIncarnation(1) };
  const rest = {
    run: 'r',
    renewEveryMs: 400,
    leaseMs: 60_000,
    dataEndpoint: coordinator.endpoint,
    recipe: '{}',
    digests: { splits: {}, modules: {} },
  };
  answer = { type: 'coordinator.welcome', ...ids, ...rest };
  const { code, stderr } = await work();
  const lost = received.find(({ type }) => type === 'worker.lost');
  expect(lost).toMatchObject({ ...ids, code: 'recipe.invalid' });
  expect(code).toBe(2);
  expect(stderr).toBe(`error: ${lost?.type === 'worker.lost' ? lost.message : ''}\n`);
});
