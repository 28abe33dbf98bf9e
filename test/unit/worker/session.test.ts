import { describe, expect, test } from 'vitest';
import { asIncarnation, asTerm } from '../../../src/base/ids.js';
import { type CoordinatorMessage, type CoordinatorMessageOf, workerMessageSchema } from '../../../src/protocol/control.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';
import { startSession, stepSession } from '../../../worker/agent/session.js';
import type { Session, SessionEffect, SessionEvent, SessionPlan } from '../../../worker/agent/session-types.js';

const timing = {
  helloMs: 100,
  helloMaxMs: 400,
  joinMs: 5_000,
  takenMs: 1_500,
  silentLeases: 4,
  firstBudgetMs: 10_000,
  budgetFloorMs: 2_000,
  budgetFactor: 20,
  drainMs: 3_000,
  memoryLossesMax: 1,
  lossesMax: 2,
};
const plan: SessionPlan = { worker: 'w1', role: 'student', peer: null, host: 'here', pid: 7, schema: 'abc', timing };
const ids = (term = 1, incarnation = 5) => ({ term: asTerm(term), incarnation: asIncarnation(incarnation) });

function welcome(term = 1, incarnation = 5): CoordinatorMessageOf<'coordinator.welcome'> {
  const rest = {
    run: 'run',
    renewEveryMs: 400,
    leaseMs: 1_000,
    dataEndpoint: 'tcp://127.0.0.1:1',
    recipe: '{}',
    digests: { splits: {}, modules: {} },
  };
  return { type: 'coordinator.welcome', ...ids(term, incarnation), ...rest };
}
const ready = { type: 'worker.ready', ...ids(), endpoint: 'tcp://127.0.0.1:2', engine: 'cpu' } as const;
const commit: CoordinatorMessage = {
  type: 'coordinator.commit',
  ...ids(),
  state: { stage: 's', peer: 'model', round: 3 },
  hash: 'a'.repeat(64),
  committed: 9,
};
const control = (message: CoordinatorMessage): SessionEvent => ({ type: 'control', message });
const engine = (message: Extract<SessionEvent, { type: 'engine' }>['message'], number = 1): SessionEvent => {
  return { type: 'engine', engine: number, message };
};
const tick: SessionEvent = { type: 'tick', controlBytes: 0 };
const refuse = (
  reason: 'old-term' | 'unknown-incarnation' | 'name-taken' | 'protocol-version' | 'unknown-peer' | 'run-over' | 'busy',
  of: string,
) => control({ type: 'refuse', reason, of, message: 'because' });

interface Run {
  readonly state: Session;
  /** Those of the last event. */
  readonly effects: readonly SessionEffect[];
}

/** Plays events, each with the time it happens at. */
function play(from: Run, ...events: readonly (readonly [number, SessionEvent])[]): Run {
  return events.reduce<Run>(({ state }, [nowMs, event]) => stepSession(state, event, nowMs), from);
}

const joining: Run = startSession(plan, 0);
const starting = play(joining, [10, control(welcome())]);
const working = play(starting, [20, engine(ready)]);
const draining = play(working, [30, { type: 'stop', reason: 'SIGTERM' }]);

/** Effects in short: what is sent, done to engines, and exited with. */
function brief(effects: readonly SessionEffect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.type) {
      case 'send':
        return [effect.message.type];
      case 'start-engine':
      case 'kill-engine':
        return [`${effect.type} ${effect.engine}`];
      case 'tell-engine':
        return [`tell ${effect.engine} ${effect.message.type}`];
      case 'exit':
        return [`exit ${effect.code}`];
      default:
        return [];
    }
  });
}

interface Row {
  readonly name: string;
  readonly from: Run;
  readonly at?: number;
  readonly event: SessionEvent;
  readonly phase: Session['link']['phase'];
  readonly effects: readonly string[];
}

const rows: readonly Row[] = [
  { name: 'a welcome starts an engine', from: joining, event: control(welcome()), phase: 'starting', effects: ['start-engine 1'] },
  {
    name: 'a version is refused for good',
    from: joining,
    event: refuse('protocol-version', 'worker.hello'),
    phase: 'over',
    effects: ['exit 2'],
  },
  {
    name: 'a peer that no stage has is refused for good',
    from: joining,
    event: refuse('unknown-peer', 'worker.hello'),
    phase: 'over',
    effects: ['exit 2'],
  },
  { name: 'a taken name is tried again', from: joining, event: refuse('name-taken', 'worker.hello'), phase: 'joining', effects: [] },
  {
    name: 'a late refusal of an old renewal says nothing',
    from: joining,
    event: refuse('old-term', 'worker.renew'),
    phase: 'joining',
    effects: [],
  },
  { name: 'a run that is over', from: joining, event: refuse('run-over', 'worker.hello'), phase: 'over', effects: ['exit 0'] },
  { name: 'a stop while joining', from: joining, event: { type: 'stop', reason: 'x' }, phase: 'over', effects: ['exit 0'] },
  { name: 'messages to an earlier life', from: joining, event: control(commit), phase: 'joining', effects: [] },

  { name: 'the engine is up', from: starting, event: engine(ready), phase: 'working', effects: ['worker.ready'] },
  { name: 'the same welcome again', from: starting, event: control(welcome()), phase: 'starting', effects: [] },
  { name: 'the welcome of an older life', from: starting, event: control(welcome(1, 4)), phase: 'starting', effects: [] },
  {
    name: 'the welcome of a later life',
    from: starting,
    event: control(welcome(1, 6)),
    phase: 'starting',
    effects: ['kill-engine 1', 'start-engine 2'],
  },
  {
    name: 'an engine that cannot work here',
    from: starting,
    event: engine({ type: 'engine.unusable', code: 'engine.unusable', message: 'no', exitCode: 2 }),
    phase: 'over',
    effects: ['worker.lost', 'kill-engine 1', 'exit 2'],
  },
  {
    name: 'an engine that dies while it starts',
    from: starting,
    event: { type: 'engine-exit', engine: 1, end: { code: 1, signal: null } },
    phase: 'joining',
    effects: ['worker.lost', 'worker.hello'],
  },

  { name: 'an order passes', from: working, event: control(commit), phase: 'working', effects: ['tell 1 coordinator.commit'] },
  {
    name: 'an order of another term does not',
    from: working,
    event: control({ ...commit, ...ids(2) }),
    phase: 'working',
    effects: [],
  },
  {
    name: 'an order to another incarnation does not',
    from: working,
    event: control({ ...commit, ...ids(1, 4) }),
    phase: 'working',
    effects: [],
  },
  {
    name: 'a report passes',
    from: working,
    event: engine({ type: 'worker.serving', ...ids(), stage: 's' }),
    phase: 'working',
    effects: ['worker.serving'],
  },
  {
    name: 'a report of an engine that is gone does not',
    from: working,
    event: engine({ type: 'worker.serving', ...ids(), stage: 's' }, 0),
    phase: 'working',
    effects: [],
  },
  {
    name: 'an answer to a renewal',
    from: working,
    event: control({ type: 'coordinator.renewed', ...ids() }),
    phase: 'working',
    effects: [],
  },
  {
    name: 'an engine that dies',
    from: working,
    event: { type: 'engine-exit', engine: 1, end: { code: null, signal: 'SIGKILL' } },
    phase: 'joining',
    effects: ['worker.lost', 'worker.hello'],
  },
  {
    name: 'the end of an engine before',
    from: working,
    event: { type: 'engine-exit', engine: 0, end: { code: 1, signal: null } },
    phase: 'working',
    effects: [],
  },
  {
    name: 'a refusal of its incarnation',
    from: working,
    event: refuse('unknown-incarnation', 'worker.renew'),
    phase: 'joining',
    effects: ['kill-engine 1', 'worker.hello'],
  },
  {
    name: 'a refusal of its term',
    from: working,
    event: refuse('old-term', 'worker.trained'),
    phase: 'joining',
    effects: ['kill-engine 1', 'worker.hello'],
  },
  { name: 'another refusal', from: working, event: refuse('busy', 'worker.trained'), phase: 'working', effects: [] },
  {
    name: 'the run is done',
    from: working,
    event: control({ type: 'coordinator.stop', ...ids(), outcome: 'done', message: '' }),
    phase: 'over',
    effects: ['kill-engine 1', 'exit 0'],
  },
  {
    name: 'the run failed',
    from: working,
    event: control({ type: 'coordinator.stop', ...ids(), outcome: 'failed', message: '' }),
    phase: 'over',
    effects: ['kill-engine 1', 'exit 1'],
  },
  { name: 'a checkpoint is wanted', from: working, event: { type: 'checkpoint' }, phase: 'working', effects: ['worker.checkpoint'] },
  { name: 'a stop drains', from: working, event: { type: 'stop', reason: 'x' }, phase: 'draining', effects: ['worker.leave'] },
  { name: 'renewals go on', from: working, at: 410, event: tick, phase: 'working', effects: ['worker.renew'] },
  { name: 'and not before they are due', from: working, at: 409, event: tick, phase: 'working', effects: [] },
  {
    name: 'a coordinator silent for four leases',
    from: working,
    at: 4_010,
    event: tick,
    phase: 'joining',
    effects: ['kill-engine 1', 'worker.hello'],
  },

  { name: 'an order while draining', from: draining, event: control(commit), phase: 'draining', effects: ['tell 1 coordinator.commit'] },
  { name: 'a second stop', from: draining, event: { type: 'stop', reason: 'x' }, phase: 'over', effects: ['kill-engine 1', 'exit 0'] },
  { name: 'a welcome is too late', from: draining, event: control(welcome(1, 6)), phase: 'draining', effects: [] },
  {
    name: 'the coordinator lets it go',
    from: draining,
    event: control({ type: 'coordinator.stop', ...ids(), outcome: 'stopped', message: '' }),
    phase: 'over',
    effects: ['kill-engine 1', 'exit 0'],
  },
  {
    name: 'the coordinator has forgotten it',
    from: draining,
    event: refuse('unknown-incarnation', 'worker.renew'),
    phase: 'over',
    effects: ['kill-engine 1', 'exit 0'],
  },
  {
    name: 'an engine that dies while draining',
    from: draining,
    event: { type: 'engine-exit', engine: 1, end: { code: 1, signal: null } },
    phase: 'over',
    effects: ['kill-engine 1', 'exit 0'],
  },
  { name: 'a drain that nobody answers', from: draining, at: 3_030, event: tick, phase: 'over', effects: ['kill-engine 1', 'exit 0'] },
];

describe('the session', () => {
  test('begins with a hello that names version, schema and process', () => {
    expect(joining.effects).toEqual([
      {
        type: 'send',
        message: {
          type: 'worker.hello',
          protocol: PROTOCOL_VERSION,
          schema: 'abc',
          worker: 'w1',
          role: 'student',
          peer: null,
          host: 'here',
          pid: 7,
        },
      },
      { type: 'wake', atMs: 100 },
    ]);
  });

  test.each(rows)('$from.state.link.phase: $name', ({ from, at = 40, event, phase, effects }) => {
    const after = stepSession(from.state, event, at);
    expect(after.state.link.phase).toBe(phase);
    expect(brief(after.effects)).toEqual(effects);
    const last = after.effects.at(-1);
    if (phase === 'over') expect(last?.type).toBe('exit');
    else expect(last).toMatchObject({ type: 'wake' });
  });

  test('hellos are repeated, further and further apart, until the coordinator counts as gone', () => {
    let run = joining;
    const hellosMs: number[] = [];
    for (let wake = run.effects.at(-1); wake?.type === 'wake'; wake = run.effects.at(-1)) {
      const nowMs = wake.atMs;
      run = stepSession(run.state, tick, nowMs);
      if (brief(run.effects).includes('worker.hello')) hellosMs.push(nowMs);
    }
    expect(hellosMs.slice(0, 5)).toEqual([100, 300, 700, 1_100, 1_500]);
    expect(brief(run.effects)).toEqual(['exit 75']);
  });

  test('a coordinator that goes on refusing is not tried for ever', () => {
    const refused = play(joining, [50, refuse('busy', 'worker.hello')], [4_999, tick]);
    expect(refused.state.link.phase).toBe('joining');
    expect(brief(play(refused, [5_000, tick]).effects)).toEqual(['exit 2']);
  });

  test('a name that a live worker has is asked for until a dead one would have lost it', () => {
    const refused = play(joining, [50, refuse('name-taken', 'worker.hello')], [1_549, tick]);
    expect(refused.state.link.phase).toBe('joining');
    expect(brief(play(refused, [1_550, tick]).effects)).toEqual(['exit 2']);
  });

  test.each(['unknown-peer', 'name-taken'] as const)('the code of the refusal %s is for the log, and its message for people', (reason) => {
    const refused = play(joining, [50, refuse(reason, 'worker.hello')]);
    expect(refused.effects[0]).toMatchObject({ event: 'session.refused', fields: { reason, message: 'because' } });
    const { effects } = play(refused, [60, refuse(reason, 'worker.hello')], [5_000, tick]);
    const exit = [...refused.effects, ...effects].find(({ type }) => type === 'exit');
    const told = reason === 'unknown-peer' ? 'because' : 'the coordinator still refuses this worker: because';
    expect(exit).toEqual({ type: 'exit', code: 2, reason: told });
  });

  test('a renewal carries the totals of this incarnation', () => {
    const progress = { type: 'engine.progress', progress: 4, images: 32, busyMs: 80, dataBytes: 1_000, batchMs: 20 } as const;
    const before = play(joining, [5, { type: 'tick', controlBytes: 300 }], [10, control(welcome())], [20, engine(ready)]);
    const { effects } = play(before, [100, engine(progress)], [410, { type: 'tick', controlBytes: 750 }]);
    const counters = { progress: 4, images: 32, busyMs: 80, dataBytes: 1_000, controlBytes: 450 };
    expect(effects[0]).toEqual({ type: 'send', message: { type: 'worker.renew', ...ids(), ...counters } });
  });

  test.each([
    { batchMs: null, budgetMs: 10_000 },
    { batchMs: 10, budgetMs: 2_000 },
    { batchMs: 300, budgetMs: 6_000 },
  ])('an engine with batches of $batchMs ms is stuck after $budgetMs ms of silence', ({ batchMs, budgetMs }) => {
    const progress = { type: 'engine.progress', progress: 1, images: 1, busyMs: 1, dataBytes: 0, batchMs } as const;
    let run = play(working, [1_000, engine(progress)]);
    const renewed: SessionEvent = control({ type: 'coordinator.renewed', ...ids() });
    for (let nowMs = 1_400; nowMs < 1_000 + budgetMs; nowMs += 400) run = play(run, [nowMs, renewed], [nowMs, tick]);
    expect(run.state.link.phase).toBe('working');
    run = play(run, [1_000 + budgetMs, tick]);
    expect(brief(run.effects)).toEqual(['kill-engine 1', 'worker.lost', 'worker.hello']);
    expect(run.effects.find((effect) => effect.type === 'send')).toMatchObject({ message: { code: 'engine.stuck' } });
  });

  test('every loss is a new engine and a new incarnation, until there were too many', () => {
    let run = joining;
    for (let loss = 1; loss <= 2; loss++) {
      run = play(run, [100 * loss, control(welcome(1, 10 + loss))]);
      expect(brief(run.effects)).toEqual([`start-engine ${loss}`]);
      run = play(run, [100 * loss + 50, { type: 'engine-exit', engine: loss, end: { code: 1, signal: null } }]);
      expect(brief(run.effects)).toEqual(['worker.lost', 'worker.hello']);
    }
    run = play(run, [400, control(welcome(1, 13))], [450, { type: 'engine-exit', engine: 3, end: { code: 1, signal: null } }]);
    expect(brief(run.effects)).toEqual(['worker.lost', 'exit 1']);
  });

  test.each([
    ['starting', starting],
    ['working', working],
  ])('%s: a second stop kills the engine at once, whatever the coordinator and the engine do', (_phase, from) => {
    const asked = play(from, [30, { type: 'stop', reason: 'SIGTERM' }]);
    expect(brief(asked.effects)).toEqual(['worker.leave']);
    const { state, effects } = stepSession(asked.state, { type: 'stop', reason: 'SIGTERM' }, 30);
    expect(effects[0]).toEqual({ type: 'kill-engine', engine: 1 });
    expect(effects.at(-1)).toEqual({ type: 'exit', code: 0, reason: 'it was stopped at once (SIGTERM)' });
    expect(state.link.phase).toBe('over');
  });

  test.each<[string, Run, SessionEvent]>([
    ['worker.lost', starting, engine({ type: 'engine.unusable', code: 'engine.unusable', message: 'é'.repeat(9_999), exitCode: 2 })],
    ['worker.leave', working, { type: 'stop', reason: 'x'.repeat(9_999) }],
  ])('%s is a message of the protocol however long its text', (type, from, event) => {
    const sent = stepSession(from.state, event, 40).effects.flatMap((effect) => (effect.type === 'send' ? [effect.message] : []));
    expect(sent[0]?.type).toBe(type);
    for (const message of sent.slice(0, 1)) expect(workerMessageSchema.safeParse(message).error).toBeUndefined();
  });

  test('nothing happens after the end', () => {
    const over = play(draining, [40, { type: 'stop', reason: 'x' }]);
    for (const { event } of rows) expect(stepSession(over.state, event, 50)).toEqual({ state: over.state, effects: [] });
  });
});
