/**
 * The agent of a worker: it delivers events (control messages, the engine's messages and end, time) to the session machine
 * and performs its effects. It never touches a tensor and never blocks, so that it can always answer. While this process is
 * stopped, no time passes for the session, so coordinator and engine do not seem silent afterwards.
 */

import { assertNever } from '../../src/base/assert.js';
import type { Clock, TimerHandle } from '../../src/base/clock.js';
import { type SteadyClock, steadyClock } from '../../src/base/steady-clock.js';
import type { EngineName, Placement } from '../../src/config/schema.js';
import type { Logger } from '../../src/log/logger.js';
import { decodeCoordinatorMessage, encodeControl, SCHEMA_HASH } from '../../src/protocol/codec.js';
import type { Frames } from '../../src/protocol/frames.js';
import { CONTROL_CHANNEL } from '../../src/transport/channel.js';
import type { Dialer, Transport } from '../../src/transport/transport.js';
import type { EngineHandle, EngineHost } from './engine-host.js';
import { startSession, stepSession } from './session.js';
import type { Session, SessionEffect, SessionEvent, SessionPlan, SessionTransition } from './session-types.js';
import { WorkerLines } from './worker-lines.js';

/** The agent waits this long before it closes the connection, so that the last message (the reason of its end) is sent. */
const FAREWELL_MS = 100;
/** The agent waits at most this long for the end of an engine that it has killed. */
const ENGINE_END_MS = 2_000;

export interface AgentOptions {
  readonly plan: Omit<SessionPlan, 'schema'>;
  /** The address of the coordinator's control plane. */
  readonly coordinator: string;
  /** The engine to open; null means: as the recipe says. */
  readonly engine: EngineName | 'auto' | null;
  /** The device and threads of the engines. `engineHost` has set up their processes for it. */
  readonly placement: Placement;
  readonly engineHost: EngineHost;
  /** The address on which engines listen, `tcp://host:*`. */
  readonly listen: string;
  /** The absolute path of the data on this machine; null means: as the recipe says. */
  readonly data: string | null;
  /** The most bytes of coded images from the coordinator that this machine keeps. */
  readonly fedBytes: number;
  /** The file to which engines write their log; null means the standard error. */
  readonly logFile: string | null;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes the lines that tell a person what the worker does. */
  readonly tell: (line: string) => void;
}

/** How an agent ended: its exit code (src/errors), and the reason, for a person. */
export interface AgentEnd {
  readonly code: number;
  readonly reason: string;
}

export interface Agent {
  /** Drains the worker. A second call ends it at once. */
  stop(reason: string): void;
  /** Asks the coordinator for a checkpoint; the work goes on. */
  checkpoint(): void;
  /** Resolves when the engine and the connection are closed. Never rejects. */
  readonly ended: Promise<AgentEnd>;
}

/** Connects to the coordinator and begins the session. Throws `transport.bind` when the coordinator's address is not valid. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const agent = new RunningAgent(options);
  await agent.open();
  return agent;
}

class RunningAgent implements Agent {
  readonly ended: Promise<AgentEnd>;
  readonly #options: AgentOptions;
  readonly #clock: SteadyClock;
  readonly #events: SessionEvent[] = [];
  #end: (end: AgentEnd) => void = () => {};
  readonly #lines: WorkerLines;
  #logger: Logger;
  #session: Session | null = null;
  #dialer: Dialer | null = null;
  #engine: { readonly number: number; readonly handle: EngineHandle } | null = null;
  #wake: TimerHandle | null = null;
  #isBusy = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#clock = steadyClock(options.clock);
    this.#lines = new WorkerLines(options.plan.role);
    this.#logger = options.logger;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async open(): Promise<void> {
    const { plan, coordinator, transport } = this.#options;
    this.#dialer = await transport.dial({
      endpoint: coordinator,
      ...CONTROL_CHANNEL,
      onMessage: (frames) => this.#onFrames(frames),
    });
    this.#perform(startSession({ ...plan, schema: SCHEMA_HASH }, this.#clock.nowMs()));
  }

  checkpoint(): void {
    this.#deliver({ type: 'checkpoint' });
  }

  stop(reason: string): void {
    this.#deliver({ type: 'stop', reason });
  }

  #onFrames(frames: Frames): void {
    const decoded = decodeCoordinatorMessage(frames);
    if (decoded.ok) this.#deliver({ type: 'control', message: decoded.message });
    else this.#logger.warn('control.invalid', { reason: decoded.reason, detail: decoded.detail });
  }

  /** Delivers an event to the session. An event that comes while effects are performed waits until they are done. */
  #deliver(event: SessionEvent): void {
    this.#events.push(event);
    if (this.#isBusy || this.#session === null) return;
    for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
      this.#perform(stepSession(this.#session, next, this.#clock.nowMs()));
    }
  }

  #perform({ state, effects }: SessionTransition): void {
    this.#session = state;
    this.#isBusy = true;
    for (const effect of effects) {
      this.#performOne(effect);
      for (const line of this.#lines.linesFor(effect, state.link, this.#clock.nowMs())) this.#options.tell(line);
    }
    this.#isBusy = false;
  }

  #performOne(effect: SessionEffect): void {
    switch (effect.type) {
      case 'send':
        if (this.#dialer?.send([encodeControl(effect.message)]) === 'full') {
          this.#logger.warn('control.full', { message: effect.message.type });
        }
        return;
      case 'start-engine':
        this.#startEngine(effect);
        return;
      case 'tell-engine':
        if (this.#engine?.number === effect.engine) this.#engine.handle.send(effect.message);
        return;
      case 'kill-engine':
        if (this.#engine?.number === effect.engine) this.#engine.handle.kill();
        return;
      case 'wake':
        this.#wake?.cancel();
        this.#wake = this.#clock.after(Math.max(0, effect.atMs - this.#clock.nowMs()), () => this.#tick());
        return;
      case 'log':
        this.#logger[effect.level](effect.event, effect.fields);
        return;
      case 'exit':
        void this.#close().then(() => this.#end({ code: effect.code, reason: effect.reason }));
        return;
      default:
        assertNever(effect, 'session effect');
    }
  }

  #tick(): void {
    const { sentBytes, receivedBytes } = this.#dialer?.counters() ?? { sentBytes: 0, receivedBytes: 0 };
    this.#deliver({ type: 'tick', controlBytes: sentBytes + receivedBytes });
  }

  #startEngine({ engine: number, welcome }: Extract<SessionEffect, { type: 'start-engine' }>): void {
    const { plan, engineHost, engine, placement, listen, data, fedBytes, logFile } = this.#options;
    const handle = engineHost.start({
      onMessage: (message) => this.#deliver({ type: 'engine', engine: number, message }),
      onExit: (end, sign = null) => this.#deliver({ type: 'engine-exit', engine: number, end, sign }),
    });
    this.#engine = { number, handle };
    const { run, term, incarnation, recipe, digests, dataEndpoint } = welcome;
    const { worker, role } = plan;
    this.#logger = this.#options.logger.child({ run, term, incarnation });
    const who = { worker, role, run, term, incarnation };
    const how = { engine, placement, listen, data, fedBytes, logFile };
    handle.send({ type: 'engine.configure', ...who, recipe, digests, dataEndpoint, ...how });
  }

  async #close(): Promise<void> {
    this.#wake?.cancel();
    await this.#delay(FAREWELL_MS);
    this.#engine?.handle.kill();
    if (this.#engine !== null) await Promise.race([this.#engine.handle.ended, this.#delay(ENGINE_END_MS)]);
    await this.#dialer?.close();
    this.#clock.close();
  }

  #delay(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}
