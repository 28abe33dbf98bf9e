/** The session of an agent whose engine has too little memory: it is tried at most twice, and another start would not help. */

import { expect, test } from 'vitest';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import type { CoordinatorMessage } from '../../../src/protocol/control.js';
import { startSession, stepSession } from '../../../worker/agent/session.js';
import {
  DEFAULT_SESSION_TIMING,
  type SessionEvent,
  type SessionPlan,
  type SessionTransition,
} from '../../../worker/agent/session-types.js';

const plan: SessionPlan = { worker: 'w', role: 'student', peer: null, host: 'here', pid: 7, schema: '', timing: DEFAULT_SESSION_TIMING };
const ids = (incarnation: number) => ({ term: asTerm(1), incarnation: asIncarnation(incarnation) });
const control = (message: CoordinatorMessage): SessionEvent => ({ type: 'control', message });

function welcome(incarnation: number): SessionEvent {
  const addresses = { run: 'run', renewEveryMs: 400, leaseMs: 1_000, dataEndpoint: 'tcp://127.0.0.1:1' };
  return control({ type: 'coordinator.welcome', ...ids(incarnation), ...addresses, recipe: '{}', digests: { splits: {}, modules: {} } });
}

/** The transition of the last event. */
function play(...events: readonly SessionEvent[]): SessionTransition {
  return events.reduce<SessionTransition>(({ state }, event, i) => stepSession(state, event, 10 * (i + 1)), startSession(plan, 0));
}

const sentBy = ({ effects }: SessionTransition) => effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
const killed = (engine: number): SessionEvent => ({
  type: 'engine-exit',
  engine,
  end: { code: null, signal: 'SIGKILL' },
  sign: 'killed',
});

test.each([
  ['engine.outOfMemory', 2],
  ['data.missing', 1],
])('a worker that is sent away after %s ends with code %i', (code, exitCode) => {
  const failed: SessionEvent = {
    type: 'engine',
    engine: 1,
    message: { type: 'worker.failed', ...ids(1), code, message: 'it did not work' },
  };
  const stop = control({ type: 'coordinator.stop', ...ids(1), outcome: 'failed', message: 'it did not work' });
  expect(play(welcome(1), failed, stop).effects.at(-1)).toMatchObject({ type: 'exit', code: exitCode });
});

test('an engine that the kernel killed because memory ran out is started once more', () => {
  const [lost, hello] = sentBy(play(welcome(1), killed(1)));
  expect(lost).toMatchObject({ type: 'worker.lost', code: 'engine.crashed', message: expect.stringContaining('memory ran out') });
  expect(hello).toMatchObject({ type: 'worker.hello' });
  const second = play(welcome(1), killed(1), welcome(2), killed(2));
  expect(sentBy(second)).toMatchObject([
    { type: 'worker.lost', code: 'engine.outOfMemory', message: expect.stringContaining('memory ran out') },
  ]);
  expect(second.effects.at(-1)).toMatchObject({ type: 'exit', code: 2 });
});
