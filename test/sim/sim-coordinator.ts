/**
 * The real core over a simulated disk and network. The disk (journal, checkpoints, term) outlives it. As the real shell
 * does, it looks at the term on disk before it does anything, and ends when there is a later one.
 */

import { recover } from '../../coordinator/core/recovery.js';
import { startRun, stepRun } from '../../coordinator/core/run.js';
import type { RunState } from '../../coordinator/core/turn.js';
import type { CheckpointPart, CoreEvent, Effect, JournalRecord, RunPlan } from '../../coordinator/core/types.js';
import { asTerm, type Term } from '../../src/base/ids.js';
import { placeOf } from '../../src/checkpoint/place.js';
import { spellPeer } from '../../src/config/peer.js';
import type { CoordinatorMessage, WorkerMessage } from '../../src/protocol/control.js';
import type { Outcome } from '../../src/protocol/report.js';
import type { StateName } from '../../src/protocol/state-name.js';
import type { SimState } from './sim-engine.js';
import type { World } from './world.js';

export interface SimDisk {
  term: number;
  readonly records: JournalRecord[];
  /** By place. */
  readonly checkpoints: Map<string, CheckpointPart>;
  readonly exported: Set<string>;
}

export type SimEnd = { readonly outcome: Outcome; readonly message: string };

export class SimCoordinator {
  readonly term: Term;
  isAlive = true;
  end: SimEnd | null = null;
  readonly #world: World;
  readonly #disk: SimDisk;
  readonly #send: (connection: string, message: CoordinatorMessage) => void;
  #state: RunState;
  #cancelWake: () => void = () => {};

  constructor(world: World, disk: SimDisk, plan: RunPlan, send: (connection: string, message: CoordinatorMessage) => void) {
    this.#world = world;
    this.#disk = disk;
    this.#send = send;
    disk.term++;
    this.term = asTerm(disk.term);
    const recovered = recover(disk.records, [...disk.checkpoints.values()]);
    const { state, effects } = startRun({ ...plan, term: this.term }, recovered, world.nowMs);
    this.#state = state;
    this.#perform(effects);
  }

  receive(connection: string, message: WorkerMessage): void {
    this.#deliver({ type: 'message', connection, message });
  }

  stop(reason: string): void {
    this.#deliver({ type: 'stop', reason });
  }

  kill(): void {
    this.isAlive = false;
    this.#cancelWake();
  }

  load(state: StateName): SimState | null {
    return this.#disk.checkpoints.get(placeOf(state)) ?? null;
  }

  /** The data server: an older term may store nothing. */
  store(term: Term, { state, hash, ranges }: SimState): void {
    if (!this.isAlive || term !== this.term) return;
    const checkpoint = { state, term, hash, ranges };
    this.#disk.checkpoints.set(placeOf(state), checkpoint);
    this.#deliver({ type: 'checkpoint-stored', checkpoint, slotsOf: Number.POSITIVE_INFINITY });
  }

  /** As the shell does: the model is written from its checkpoint, which must be there. */
  #export({ stage, round, state, hash }: Extract<Effect, { type: 'export' }>): void {
    const stored = this.#disk.checkpoints.get(placeOf(state));
    if (stored?.hash === hash) this.#disk.exported.add(spellPeer(state));
    const failed = { code: 'checkpoint.missing', message: placeOf(state) } as const;
    const outcome = stored?.hash === hash ? ({ type: 'exported' } as const) : ({ type: 'export-failed', ...failed } as const);
    this.#world.after(1, () => this.#deliver({ ...outcome, stage, round }));
  }

  #deliver(event: CoreEvent): void {
    if (this.#disk.term > this.term) this.kill();
    if (!this.isAlive) return;
    const { state, effects } = stepRun(this.#state, event, this.#world.nowMs);
    this.#state = state;
    this.#perform(effects);
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.type === 'journal') this.#disk.records.push(effect.record);
      if (effect.type === 'send') this.#send(effect.connection, effect.message);
      if (effect.type === 'export') this.#export(effect);
      if (effect.type === 'retain') this.#retain(effect.stage, effect.rounds);
      if (effect.type === 'finish') this.end = { outcome: effect.outcome, message: effect.message };
      if (effect.type === 'wake') {
        this.#cancelWake();
        this.#cancelWake = this.#world.at(effect.atMs, () => this.#deliver({ type: 'tick' }));
      }
    }
  }

  #retain(stage: string, kept: readonly number[]): void {
    for (const [place, { state }] of this.#disk.checkpoints) {
      if (state.stage === stage && !kept.includes(state.round)) this.#disk.checkpoints.delete(place);
    }
  }
}
