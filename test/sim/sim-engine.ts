/**
 * An engine without arithmetic: it follows the protocol as the real one does, but its parameters are the list of the
 * samples that were trained into them. Training a sample twice into one arena is an error at once.
 */

import { createHash } from 'node:crypto';
import { assert, present } from '../../src/base/assert.js';
import { asRoundId, type RoundId } from '../../src/base/ids.js';
import { mergeRanges, takeRanges, totalOf } from '../../src/data/shard-plan.js';
import type { CoordinatorMessageOf } from '../../src/protocol/control.js';
import type { Range } from '../../src/protocol/field.js';
import { isSameState, type StateName } from '../../src/protocol/state-name.js';
import type { EngineConfigure, FromEngine, ToEngine } from '../../worker/engine/engine-message.js';
import type { EngineOrder } from '../../worker/kit/orders.js';
import { UNMEASURED_CALIBRATION, UNMEASURED_LOSS } from '../support/no-facts.js';
import type { SimCoordinator } from './sim-coordinator.js';
import type { World } from './world.js';

/** Parameters, and what they contain. */
export interface SimState {
  readonly state: StateName;
  readonly hash: string;
  readonly ranges: readonly Range[];
  /** The last step of a row of one, which has left parameters that are not finite; nobody has noticed yet. */
  readonly ruinedBy?: readonly Range[] | undefined;
}

/** A state after a round: `own` are the ranges of the round, `base` is the state that the round started from. */
interface SimTrained extends SimState {
  readonly own: readonly Range[];
  readonly base: SimState;
  /** The cells of the row that made its steps together: their average is of all of them, or is none. */
  readonly cells: number;
}

type Assign = CoordinatorMessageOf<'coordinator.assign'>;

/** Whether a step of a peer with this position of a stage is not finite: its loss, or only the parameters that it leaves. */
export type IsBad = (model: Pick<StateName, 'stage' | 'peer'>, position: number) => 'loss' | 'parameters' | null;

/** Engines by their data endpoint: the data plane. One that is dead or cut off does not answer. */
export type DataPlane = Map<string, SimEngine>;

/** The samples of one step. */
const STEP_SAMPLES = 2;

export function hashOf({ stage, peer }: Pick<StateName, 'stage' | 'peer'>, ranges: readonly Range[]): string {
  return createHash('sha256')
    .update(`${stage}.${peer}:${JSON.stringify(ranges)}`)
    .digest('hex');
}

/** The last step that a cell has given to its column, and the step before which it has ended the column. */
interface GivenStep {
  readonly round: number;
  readonly step: number;
  readonly endsBefore: number | null;
}

export class SimEngine {
  isAlive = true;
  isCut = false;
  readonly #world: World;
  readonly #plane: DataPlane;
  readonly #coordinator: () => SimCoordinator | null;
  readonly #isBad: IsBad;
  readonly #say: (message: FromEngine) => void;
  #me: EngineConfigure | null = null;
  #endpoint = '';
  #committed: SimState | null = null;
  /** In a round of one replica there is no committed state: the base is kept nowhere. */
  #trained: SimTrained | null = null;
  #report: FromEngine | null = null;
  #candidate: SimState | null = null;
  #round = 0;
  #work = 0;
  #training: {
    readonly order: Assign;
    readonly base: SimState;
    readonly work: number;
    readonly startMs: number;
    readonly tookMs: number;
  } | null = null;
  #linked = false;
  #given: GivenStep | null = null;
  #isConcluding = false;
  #progress = 0;

  constructor(
    world: World,
    plane: DataPlane,
    { coordinator, isBad, say }: { coordinator: () => SimCoordinator | null; isBad: IsBad; say: (message: FromEngine) => void },
  ) {
    this.#world = world;
    this.#isBad = isBad;
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
        return this.#commit(order);
      case 'coordinator.conclude':
        return this.#conclude(order.round);
      case 'coordinator.save':
        return this.#save(order);
      case 'coordinator.abandon':
        if (order.round === this.#round) this.#drop();
        return;
      case 'coordinator.serve':
        this.#later(this.#world.between(5, 50), () => this.#say({ ...this.#identity(), type: 'worker.serving', stage: order.stage }));
        return;
    }
  }

  #drop(): void {
    this.#work++;
    this.#training = null;
    this.#trained = null;
    this.#report = null;
    this.#candidate = null;
    this.#given = null;
    this.#isConcluding = false;
  }

  #assign(order: Assign): void {
    const base = this.#base(order);
    this.#drop();
    this.#round = order.round;
    const work = this.#work;
    if (base === null) {
      const isDamaged = order.base.isStored && this.#coordinator()?.load(order.base.state) === null;
      const code = isDamaged ? 'checkpoint.damaged' : 'request.refused';
      this.#say({ ...this.#identity(), type: 'worker.failed', code, message: 'nobody has the base' });
      return;
    }
    if (this.#tellRuined(base)) return;
    const isAlone = order.work.kind === 'train' && order.work.replicas === 1;
    this.#committed = isAlone ? null : base;
    if (order.work.kind === 'train' && order.work.others.length + order.work.row.length > 0)
      return this.#trainInStep({ order, base, work, step: 1 });
    const tookMs = this.#world.between(5, 60);
    this.#training = { order, base, work, startMs: this.#world.nowMs, tookMs };
    this.#later(tookMs, () => {
      if (work === this.#work) this.#finishWork(order, base, null);
    });
  }

  /** Trains in lockstep with the other cells of the column, or of the row: a step ends when all of them have given it. */
  #trainInStep(at: { readonly order: Assign; readonly base: SimState; readonly work: number; readonly step: number }): void {
    const { order, base, work, step } = at;
    if (order.work.kind !== 'train') return;
    const { round } = order;
    const { ranges } = order.work;
    const others = [...order.work.others, ...order.work.row];
    const total = totalOf(ranges);
    const take = (): void => {
      if (work !== this.#work) return;
      const given = others.map(({ endpoint }) => this.#givenAt(endpoint));
      if (given.some((other) => other?.round === round && other.endsBefore !== null && other.endsBefore <= step)) {
        this.#endBefore({ order, base, step });
        return;
      }
      if (!given.every((other) => other !== null && other.round === round && other.step >= step)) {
        this.#later(this.#world.between(2, 20), take);
        return;
      }
      if (this.#fails(order, (step - 1) * STEP_SAMPLES, step * STEP_SAMPLES)) return;
      if (step * STEP_SAMPLES >= total) this.#finishWork(order, base, total);
      else this.#trainInStep({ ...at, step: step + 1 });
    };
    this.#later(this.#world.between(1, 15), () => {
      if (work !== this.#work) return;
      if (this.#isConcluding) return this.#endBefore({ order, base, step });
      this.#given = { round, step, endsBefore: null };
      take();
    });
  }

  /** Ends the column before this step: the step before was the last one. */
  #endBefore({ order, base, step }: { readonly order: Assign; readonly base: SimState; readonly step: number }): void {
    this.#given = { round: order.round, step: step - 1, endsBefore: step };
    this.#finishWork(order, base, (step - 1) * STEP_SAMPLES);
  }

  #givenAt(endpoint: string): GivenStep | null {
    const cell = this.#reach(endpoint);
    return cell === null ? null : cell.#given;
  }

  /** Ends training after the step under way: a share of the samples, from the front. */
  #conclude(round: number): void {
    if (round !== this.#round) return;
    this.#isConcluding = true;
    if (this.#report !== null) return this.#say(this.#report);
    if (this.#training === null) return;
    const { order, base, work, startMs, tookMs } = this.#training;
    const share = Math.min(1, (this.#world.nowMs - startMs) / tookMs);
    const samples = order.work.kind === 'train' ? Math.floor(share * totalOf(order.work.ranges)) : 0;
    this.#work++;
    const concluded = this.#work;
    this.#training = { ...this.#training, work: concluded };
    this.#later(this.#world.between(1, 5), () => {
      if (concluded === this.#work && work + 1 === concluded) this.#finishWork(order, base, samples);
    });
  }

  /** `done`: the samples that are trained, when the work ended early; null: all of them. */
  #finishWork(order: Assign, base: SimState, done: number | null): void {
    const { round } = order;
    this.#progress++;
    if (order.work.kind === 'evaluate') {
      const count = order.work.end - order.work.start;
      const figures = { correct: Math.min(count, totalOf(base.ranges)), count, lossSum: 1, evaluateMs: count, agreed: {}, parameters: 1 };
      this.#say({ ...this.#identity(), type: 'worker.evaluated', round, ...figures, ...UNMEASURED_CALIBRATION });
      return;
    }
    const { state } = order.base;
    const work = this.#work;
    const isLinked = state.stage !== 'taught' || this.#linked;
    if (!isLinked && done === null) {
      this.#later(20, () => work === this.#work && this.#finishWork(order, base, done));
      return;
    }
    if (order.work.others.length === 0 && isLinked && this.#fails(order, 0, done ?? totalOf(order.work.ranges))) return;
    const own = takeRanges(order.work.ranges, isLinked ? (done ?? totalOf(order.work.ranges)) : 0).taken;
    const samples = totalOf(own);
    const ranges = mergeRanges([...base.ranges, ...own]);
    const lastStep = takeRanges(own, Math.max(0, samples - STEP_SAMPLES)).rest;
    const isRuined = this.#isBadStep(order, lastStep, 'parameters');
    if (isRuined && order.work.replicas > 1) {
      this.#tellNotFinite(round, lastStep);
      return;
    }
    const cells = order.work.row.length + 1;
    const ruinedBy = isRuined ? lastStep : undefined;
    if (samples > 0) this.#trained = { state: { ...state, round }, ranges, hash: hashOf(state, ranges), own, base, cells, ruinedBy };
    else this.#committed = base;
    this.#report = {
      ...this.#identity(),
      type: 'worker.trained',
      round,
      samples,
      lossSum: samples,
      ...UNMEASURED_LOSS,
      correct: 0,
      trainMs: samples,
      waitedMs: 0,
      late: {},
    };
    this.#say(this.#report);
  }

  /** Says that a step among these samples of the order, from `from` to `to`, is not finite in its row, if one is; the work of the round is then lost. */
  #fails(order: Assign, from: number, to: number): boolean {
    const { round, work } = order;
    if (work.kind !== 'train') return false;
    for (let start = from; start < to; start += STEP_SAMPLES) {
      const ranges = takeRanges(takeRanges(work.ranges, start).rest, Math.min(STEP_SAMPLES, to - start)).taken;
      if (!this.#isBadStep(order, [...ranges, ...work.row.flatMap((cell) => cell.ranges)], 'loss')) continue;
      this.#tellNotFinite(round, ranges);
      return true;
    }
    return false;
  }

  #isBadStep({ base }: Assign, ranges: readonly Range[], how: 'loss' | 'parameters'): boolean {
    const positions = ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
    return positions.some((position) => this.#isBad(base.state, position) === how);
  }

  #tellNotFinite(round: RoundId, ranges: readonly Range[]): void {
    this.#drop();
    this.#say({ ...this.#identity(), type: 'worker.notFinite', round, ranges: [...ranges], message: 'a simulated NaN' });
  }

  /** The next use of parameters that are not finite finds that. */
  #tellRuined({ state, ruinedBy }: SimState): boolean {
    if (ruinedBy === undefined) return false;
    this.#tellNotFinite(asRoundId(state.round), ruinedBy);
    return true;
  }

  #base({ base }: Assign): SimState | null {
    const { state, hash } = base;
    const isRight = (held: SimState | null) => held !== null && isSameState(held.state, state) && (hash === null || held.hash === hash);
    if (state.round === 0) return { state, hash: hashOf(state, []), ranges: [] };
    if (isRight(this.#committed)) return this.#committed;
    if (hash !== null && isRight(this.#candidate)) return this.#candidate;
    const isMine = base.sources.some(({ incarnation }) => incarnation === this.#identity().incarnation);
    if (hash === null && isMine && isRight(this.#trained)) return this.#trained;
    for (const { endpoint } of base.sources) {
      const other = this.#reach(endpoint);
      if (other !== null && isRight(other.#committed)) return other.#committed;
    }
    const stored = base.isStored ? (this.#coordinator()?.load(state) ?? null) : null;
    return isRight(stored) ? stored : null;
  }

  #average({ state, attempt, contributors }: CoordinatorMessageOf<'coordinator.average'>): void {
    const own = this.#trained;
    if (own === null || !isSameState(own.state, state)) return;
    const { round } = state;
    assert(own.cells === 1 || own.cells === contributors.length, `an average of ${contributors.length} of ${own.cells} parts of a step`);
    const ranges: Range[] = [...own.base.ranges];
    for (const { incarnation, endpoint } of contributors) {
      const replica = this.#reach(endpoint);
      const other = replica === null ? null : replica.#trained;
      if (other === null || !isSameState(other.state, state)) {
        const lost = { ...this.#identity(), round: asRoundId(round), attempt, replica: incarnation, message: 'no answer' };
        this.#later(10, () => this.#say({ ...lost, type: 'worker.unreachable' }));
        return;
      }
      ranges.push(...other.own);
    }
    const contained = mergeRanges(ranges);
    const hash = hashOf(state, contained);
    this.#candidate = { state, hash, ranges: contained };
    this.#later(this.#world.between(1, 10), () => {
      const report = { round: asRoundId(round), attempt, hash, contained: totalOf(contained) };
      this.#say({ ...this.#identity(), type: 'worker.averaged', ...report });
    });
  }

  #commit({ state, hash }: CoordinatorMessageOf<'coordinator.commit'>): void {
    const made = hash === null ? this.#trained : this.#candidate;
    assert(hash !== null || (this.#trained?.cells ?? 1) === 1, 'a commit of one part of a step');
    if (made !== null && isSameState(made.state, state) && (hash === null || made.hash === hash)) this.#committed = made;
  }

  #save({ state, others }: CoordinatorMessageOf<'coordinator.save'>): void {
    if (others === null) return;
    const saved = this.#committed;
    if (saved === null || !isSameState(saved.state, state)) {
      this.#say({ ...this.#identity(), type: 'worker.failed', code: 'checkpoint.unwritable', message: 'it is not here' });
      return;
    }
    if (this.#tellRuined(saved)) return;
    const { term } = this.#identity();
    this.#later(this.#world.between(2, 200), () => {
      if (!this.isCut) this.#coordinator()?.store(term, saved);
    });
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
