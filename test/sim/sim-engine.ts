/**
 * An engine without arithmetic: it follows the protocol as the real one does, but its parameters are the list of the
 * samples that were trained into them. Training a sample twice into one arena is an error at once.
 */

import { createHash } from 'node:crypto';
import { present } from '../../src/base/assert.js';
import { mergeRanges, totalOf } from '../../src/data/shard-plan.js';
import type { CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import type { EngineConfigure, FromEngine, ToEngine } from '../../worker/engine/engine-message.js';
import type { EngineOrder } from '../../worker/kit/orders.js';
import type { SimCoordinator } from './sim-coordinator.js';
import type { World } from './world.js';

/** Parameters, and what they contain. */
export interface SimState {
  readonly stage: string;
  readonly round: number;
  readonly hash: string;
  readonly ranges: readonly Range[];
}

type Assign = CoordinatorMessageOf<'coordinator.assign'>;

/** Engines by their data endpoint: the data plane. One that is dead or cut off does not answer. */
export type DataPlane = Map<string, SimEngine>;

export function hashOf(stage: string, ranges: readonly Range[]): string {
  return createHash('sha256')
    .update(`${stage}:${JSON.stringify(ranges)}`)
    .digest('hex');
}

export class SimEngine {
  isAlive = true;
  isCut = false;
  readonly #world: World;
  readonly #plane: DataPlane;
  readonly #coordinator: () => SimCoordinator | null;
  readonly #say: (message: FromEngine) => void;
  #me: EngineConfigure | null = null;
  #endpoint = '';
  #committed: SimState | null = null;
  #trained: { readonly assign: Assign; readonly ranges: readonly Range[] } | null = null;
  #candidate: (SimState & { readonly attempt: number }) | null = null;
  #work = 0;
  #linked = false;
  #progress = 0;

  constructor(world: World, plane: DataPlane, coordinator: () => SimCoordinator | null, say: (message: FromEngine) => void) {
    this.#world = world;
    this.#plane = plane;
    this.#coordinator = coordinator;
    this.#say = (message) => {
      if (this.isAlive) say(message);
    };
  }

  kill(): void {
    this.isAlive = false;
    this.#plane.delete(this.#endpoint);
  }

  receive(message: ToEngine): void {
    if (!this.isAlive) return;
    if (message.type === 'engine.configure') this.#configure(message);
    else this.#obey(message);
  }

  #configure(message: EngineConfigure): void {
    this.#me = message;
    this.#endpoint = `inproc://${message.term}-${message.incarnation}`;
    this.#plane.set(this.#endpoint, this);
    this.#later(this.#world.between(50, 400), () => {
      this.#say({ ...this.#identity(), type: 'worker.ready', endpoint: this.#endpoint, engine: 'sim' });
    });
    this.#pulse();
  }

  #pulse(): void {
    this.#later(300, () => {
      this.#say({ type: 'engine.progress', progress: this.#progress, images: 0, busyMs: 0, dataBytes: 0, batchMs: null });
      this.#pulse();
    });
  }

  #obey(order: EngineOrder): void {
    switch (order.type) {
      case 'coordinator.assign':
        return this.#assign(order);
      case 'coordinator.link':
        this.#linked = order.teachers.length > 0;
        return;
      case 'coordinator.average':
        return this.#average(order);
      case 'coordinator.commit':
        if (this.#candidate?.round === order.round && this.#candidate.hash === order.hash) this.#committed = this.#candidate;
        return;
      case 'coordinator.save':
        return this.#save(order);
      case 'coordinator.abandon':
        this.#work++;
        this.#trained = null;
        return;
      case 'coordinator.serve':
        this.#later(this.#world.between(5, 50), () => this.#say({ ...this.#identity(), type: 'worker.serving', stage: order.stage }));
        return;
    }
  }

  #assign(order: Assign): void {
    const work = ++this.#work;
    this.#trained = null;
    const base = this.#base(order);
    this.#candidate = null;
    if (base === null) {
      const isDamaged = order.base.checkpoint !== null && this.#coordinator()?.load(order.base.checkpoint) === null;
      const code = isDamaged ? 'checkpoint.damaged' : 'request.refused';
      this.#say({ ...this.#identity(), type: 'worker.failed', code, message: 'nobody has the base' });
      return;
    }
    this.#committed = base;
    this.#later(this.#world.between(5, 60), () => {
      if (work === this.#work) this.#finishWork(order, base, work);
    });
  }

  #finishWork(order: Assign, base: SimState, work: number): void {
    const { round } = order;
    this.#progress++;
    if (order.work.kind === 'export') return this.#coordinator()?.storeArtifact(this.#identity().incarnation, order.stage);
    if (order.work.kind === 'evaluate') {
      const count = order.work.end - order.work.start;
      const figures = { correct: Math.min(count, totalOf(base.ranges)), count, lossSum: 1, evaluateMs: count, parameters: 1 };
      this.#say({ ...this.#identity(), type: 'worker.evaluated', round, ...figures });
      return;
    }
    if (order.stage === 'taught' && !this.#linked) {
      this.#later(20, () => work === this.#work && this.#finishWork(order, base, work));
      return;
    }
    const { ranges } = order.work;
    this.#trained = { assign: order, ranges };
    const samples = totalOf(ranges);
    this.#say({ ...this.#identity(), type: 'worker.trained', round, samples, lossSum: samples, correct: 0, trainMs: samples });
  }

  #base({ stage, base }: Assign): SimState | null {
    const isRight = (state: SimState | null) => state?.stage === stage && state.round === base.round && state.hash === base.hash;
    if (base.round === 0) return { stage, round: 0, hash: hashOf(stage, []), ranges: [] };
    for (const own of [this.#committed, this.#candidate]) if (isRight(own)) return own;
    for (const source of base.sources) {
      const peer = this.#reach(source);
      if (peer !== null && isRight(peer.#committed)) return peer.#committed;
    }
    const stored = base.checkpoint === null ? null : (this.#coordinator()?.load(base.checkpoint) ?? null);
    return isRight(stored) ? stored : null;
  }

  #average({ round, attempt, contributors }: CoordinatorMessageOf<'coordinator.average'>): void {
    const own = this.#trained;
    const base = this.#committed;
    if (own?.assign.round !== round || base === null) return;
    const ranges: Range[] = [...base.ranges];
    for (const { incarnation, endpoint } of contributors) {
      const peer = this.#reach(endpoint);
      const arena = peer === null ? null : peer.#arenaOf(round);
      if (arena === null) {
        const lost = { ...this.#identity(), round, attempt, peer: incarnation, message: 'no answer' };
        this.#later(10, () => this.#say({ ...lost, type: 'worker.unreachable' }));
        return;
      }
      ranges.push(...arena.ranges);
    }
    const contained = mergeRanges(ranges);
    const hash = hashOf(own.assign.stage, contained);
    this.#candidate = { stage: own.assign.stage, round, hash, ranges: contained, attempt };
    this.#later(this.#world.between(1, 10), () => {
      this.#say({ ...this.#identity(), type: 'worker.averaged', round, attempt, hash, contained: totalOf(contained) });
    });
  }

  #save({ round, checkpoint }: CoordinatorMessageOf<'coordinator.save'>): void {
    const state = this.#committed;
    if (state?.round !== round) {
      this.#say({ ...this.#identity(), type: 'worker.failed', code: 'checkpoint.unwritable', message: 'it is not here' });
      return;
    }
    const { term } = this.#identity();
    this.#later(this.#world.between(2, 200), () => {
      if (!this.isCut) this.#coordinator()?.store(term, { ...state, id: checkpoint });
    });
  }

  #arenaOf(round: number): { readonly ranges: readonly Range[] } | null {
    return this.#trained?.assign.round === round ? this.#trained : null;
  }

  #reach(endpoint: string): SimEngine | null {
    const peer = this.#plane.get(endpoint);
    if (peer === this) return this;
    return peer === undefined || peer.isCut || this.isCut ? null : peer;
  }

  #identity(): Pick<EngineConfigure, 'term' | 'incarnation'> {
    const { term, incarnation } = present(this.#me, 'the configuration');
    return { term, incarnation };
  }

  #later(delayMs: number, run: () => void): void {
    this.#world.after(delayMs, () => {
      if (this.isAlive) run();
    });
  }
}
