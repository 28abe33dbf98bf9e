/** The real session machine of an agent, with a simulated engine and simulated wires. */

import type { CoordinatorMessage, WorkerMessage } from '../../src/protocol/control.js';
import { startSession, stepSession } from '../../worker/agent/session.js';
import {
  DEFAULT_SESSION_TIMING,
  type Session,
  type SessionEffect,
  type SessionEvent,
  type SessionTransition,
} from '../../worker/agent/session-types.js';
import type { FromEngine } from '../../worker/engine/engine-message.js';
import type { SimCoordinator } from './sim-coordinator.js';
import { type DataPlane, type IsBad, SimEngine } from './sim-engine.js';
import { Wire, type WireFaults, type World } from './world.js';

export interface SimWorkerOptions {
  readonly world: World;
  readonly name: string;
  readonly role: 'teacher' | 'student';
  readonly pid: number;
  readonly faults: WireFaults;
  readonly plane: DataPlane;
  readonly coordinator: () => SimCoordinator | null;
  readonly isBad: IsBad;
}

export class SimWorker {
  readonly name: string;
  readonly connection: string;
  isAlive = true;
  isLeaving = false;
  exitCode: number | null = null;
  readonly #options: SimWorkerOptions;
  readonly #out: Wire<WorkerMessage>;
  readonly #in: Wire<CoordinatorMessage>;
  #session: Session;
  #engine: { readonly number: number; readonly engine: SimEngine } | null = null;
  #cancelWake: () => void = () => {};

  constructor(options: SimWorkerOptions) {
    const { world, name, role, pid, faults } = options;
    this.#options = options;
    this.name = name;
    this.connection = `${name}#${pid}`;
    this.#out = new Wire(world, faults, (message) => options.coordinator()?.receive(this.connection, message));
    this.#in = new Wire(world, faults, (message) => this.#deliver({ type: 'control', message }));
    const plan = { worker: name, role, peer: null, host: 'sim', pid, schema: 'sim', timing: DEFAULT_SESSION_TIMING };
    const { state, effects } = startSession(plan, world.nowMs);
    this.#session = state;
    this.#perform(effects);
  }

  /** From the coordinator. */
  receive(message: CoordinatorMessage): void {
    this.#in.send(message);
  }

  killEngine(): void {
    const gone = this.#engine;
    if (gone === null) return;
    gone.engine.kill();
    this.#engine = null;
    this.#deliver({ type: 'engine-exit', engine: gone.number, end: { code: null, signal: 'SIGKILL' } });
  }

  /** The agent dies, and its engine with it. */
  kill(): void {
    this.isAlive = false;
    this.#cancelWake();
    this.#engine?.engine.kill();
  }

  drain(): void {
    this.isLeaving = true;
    this.#deliver({ type: 'stop', reason: 'a drain' });
  }

  /** Loses whatever is sent either way, on both planes, until it is mended. */
  cut(isCut: boolean): void {
    this.#out.isCut = isCut;
    this.#in.isCut = isCut;
    if (this.#engine !== null) this.#engine.engine.isCut = isCut;
  }

  #deliver(event: SessionEvent): void {
    if (!this.isAlive) return;
    const { state, effects }: SessionTransition = stepSession(this.#session, event, this.#options.world.nowMs);
    this.#session = state;
    this.#perform(effects);
  }

  #perform(effects: readonly SessionEffect[]): void {
    for (const effect of effects) this.#performOne(effect);
  }

  #performOne(effect: SessionEffect): void {
    const { world } = this.#options;
    switch (effect.type) {
      case 'send':
        return this.#out.send(effect.message);
      case 'start-engine':
        return this.#startEngine(effect);
      case 'tell-engine':
        if (this.#engine?.number === effect.engine) this.#engine.engine.receive(effect.message);
        return;
      case 'kill-engine':
        if (this.#engine?.number === effect.engine) this.#engine.engine.kill();
        return;
      case 'wake':
        this.#cancelWake();
        this.#cancelWake = world.at(effect.atMs, () => this.#deliver({ type: 'tick', controlBytes: 0 }));
        return;
      case 'log':
        return;
      case 'exit':
        this.exitCode = effect.code;
        this.kill();
    }
  }

  #startEngine({ engine: number, welcome }: Extract<SessionEffect, { type: 'start-engine' }>): void {
    const { world, plane, coordinator, isBad, name, role } = this.#options;
    const say = (message: FromEngine) => this.#deliver({ type: 'engine', engine: number, message });
    const engine = new SimEngine(world, plane, { coordinator, isBad, say });
    engine.isCut = this.#out.isCut;
    this.#engine = { number, engine };
    const { run, term, incarnation, recipe, digests, dataEndpoint } = welcome;
    engine.receive({
      type: 'engine.configure',
      worker: name,
      role,
      run,
      term,
      incarnation,
      recipe,
      digests,
      dataEndpoint,
      engine: 'cpu',
      placement: { device: 'cpu', threads: 1 },
      listen: 'inproc://*',
      data: null,
      fedBytes: 0,
      logFile: null,
    });
  }
}
