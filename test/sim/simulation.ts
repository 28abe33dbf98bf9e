/** A whole run in one process and virtual time: the real core, real agents' sessions, faults chosen by a seed. */

import { DEFAULT_TIMING } from '../../coordinator/core/timing.js';
import type { RunPlan } from '../../coordinator/core/types.js';
import { placeOf } from '../../src/checkpoint/place.js';
import { totalOf } from '../../src/data/shard-plan.js';
import type { StateName } from '../../src/protocol/state-name.js';
import { type CorePlanOptions, corePlan } from '../support/core-plan.js';
import { SimCoordinator, type SimDisk, type SimEnd } from './sim-coordinator.js';
import type { DataPlane, IsBad } from './sim-engine.js';
import { SimWorker } from './sim-worker.js';
import { type WireFaults, World } from './world.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly students: number;
  readonly teachers: number;
  /** Mean milliseconds between two faults; Infinity: none. */
  readonly faultEveryMs: number;
  /** Faults end then, so that the run can be seen to end. */
  readonly calmAfterMs: number;
  readonly wire: WireFaults;
  /** A run of one mutual stage with so many peers and replicas; by default one of a trained and a taught stage. */
  readonly cohort?: { readonly peers: number; readonly replicas: number };
  /** A run of one stage whose loss is over the batch of all students. */
  readonly isGathered?: boolean;
  /** Whether a step of this peer with this position of the stage is not finite; by default none is. */
  readonly isBad?: IsBad;
  /** The faults to choose from; all by default. */
  readonly among?: readonly Fault[];
}

export interface SimulationResult {
  readonly disk: SimDisk;
  readonly plan: RunPlan;
  readonly end: SimEnd | null;
  readonly faults: readonly string[];
  readonly seconds: number;
}

const FAULTS = ['engine', 'agent', 'cut', 'cut', 'drain', 'coordinator', 'stop', 'damage'] as const;

/** A second drain of one worker ends it at once; `leave` is a drain of one that is not leaving yet. */
export type Fault = (typeof FAULTS)[number] | 'leave';

/** A worker that died starts again after so long, as a supervisor would have it. */
const RESTART_MS = 300;
const LIMIT_MS = 2 * 3600 * 1000;

/** Throws, naming the seed, when the run does something it must never do. */
export function simulate(options: SimulationOptions): SimulationResult {
  const simulation = new Simulation(options);
  try {
    return simulation.play();
  } catch (cause) {
    throw new Error(`seed ${options.seed}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #disk: SimDisk = { term: 0, records: [], checkpoints: new Map(), exported: new Set() };
  readonly #plane: DataPlane = new Map();
  readonly #plan: RunPlan;
  readonly #workers = new Map<string, SimWorker>();
  readonly #faults: string[] = [];
  #coordinator: SimCoordinator | null = null;
  #pids = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#world = new World(options.seed);
    // With more than one, the second is waited for a while, and the others join later.
    const { cohort, students, isGathered = false } = options;
    if (cohort !== undefined) this.#plan = cohortPlan(cohort);
    else this.#plan = isGathered ? gatheredPlan(Math.min(2, students)) : trainedAndTaught(Math.min(2, students));
  }

  play(): SimulationResult {
    this.#startCoordinator();
    for (let i = 0; i < this.#options.students; i++) this.#startWorker(`student-${i}`, 'student');
    for (let i = 0; i < this.#options.teachers; i++) this.#startWorker(`teacher-${i}`, 'teacher');
    this.#scheduleFault();
    this.#world.play(LIMIT_MS, () => this.#isOver());
    const end = this.#coordinator?.end ?? null;
    return { disk: this.#disk, plan: this.#plan, end, faults: this.#faults, seconds: this.#world.nowMs / 1000 };
  }

  /** A run that was stopped is resumed. */
  #isOver(): boolean {
    const end = this.#coordinator?.end ?? null;
    if (end?.outcome !== 'stopped') return end !== null;
    this.#coordinator?.kill();
    this.#coordinator = null;
    this.#world.after(this.#world.between(100, 2000), () => this.#startCoordinator());
    return false;
  }

  /** A checkpoint in mid-stage is no longer whole. The last one of a stage stays: without it the run must fail. */
  #damage(): void {
    const skipped = ({ stage }: StateName) =>
      this.#disk.records.reduce((sum, record) => sum + (record.type === 'skip' && record.stage === stage ? totalOf(record.ranges) : 0), 0);
    const partial = [...this.#disk.checkpoints.values()].filter(({ state, ranges }) => totalOf(ranges) + skipped(state) < SAMPLES);
    const victim = partial[this.#world.random.below(Math.max(1, partial.length))];
    if (victim !== undefined) this.#disk.checkpoints.delete(placeOf(victim.state));
  }

  #startCoordinator(): void {
    this.#coordinator = new SimCoordinator(this.#world, this.#disk, this.#plan, (connection, message) => {
      for (const worker of this.#workers.values()) if (worker.connection === connection) worker.receive(message);
    });
  }

  #startWorker(name: string, role: 'teacher' | 'student'): void {
    const worker = new SimWorker({
      world: this.#world,
      name,
      role,
      pid: ++this.#pids,
      faults: this.#options.wire,
      plane: this.#plane,
      coordinator: () => this.#coordinator,
      isBad: this.#options.isBad ?? (() => null),
    });
    this.#workers.set(name, worker);
    this.#watch(worker, role);
  }

  #watch(worker: SimWorker, role: 'teacher' | 'student'): void {
    this.#world.after(RESTART_MS, () => {
      if (worker.isAlive) this.#watch(worker, role);
      else this.#startWorker(worker.name, role);
    });
  }

  #scheduleFault(): void {
    const { faultEveryMs, calmAfterMs } = this.#options;
    if (!Number.isFinite(faultEveryMs)) return;
    this.#world.after(this.#world.between(0, 2 * faultEveryMs), () => {
      if (this.#world.nowMs > calmAfterMs) return;
      this.#fault();
      this.#scheduleFault();
    });
  }

  #fault(): void {
    const { random } = this.#world;
    const workers = [...this.#workers.values()];
    const victim = workers[random.below(workers.length)];
    const among = this.#options.among ?? FAULTS;
    const kind = among[random.below(among.length)];
    this.#faults.push(`${Math.round(this.#world.nowMs)} ms: ${kind} ${kind === 'coordinator' ? '' : victim?.name}`);
    switch (kind) {
      case 'engine':
        return victim?.killEngine();
      case 'agent':
        return victim?.kill();
      case 'drain':
        return victim?.drain();
      case 'leave':
        if (victim?.isLeaving === false) victim.drain();
        return;
      case 'cut':
        victim?.cut(true);
        this.#world.after(this.#world.between(100, 8000), () => victim?.cut(false));
        return;
      case 'stop':
        this.#coordinator?.stop('a person asked');
        return;
      case 'damage':
        return this.#damage();
      case 'coordinator':
        this.#coordinator?.kill();
        this.#coordinator = null;
        this.#world.after(this.#world.between(100, 6000), () => this.#startCoordinator());
    }
  }
}

/** The samples of an epoch, and of a stage. */
const SIZE = 57;
export const SAMPLES = 3 * SIZE;

/** Three epochs of a trained and of a taught stage, then an export; begun by this many students. */
function trainedAndTaught(students: number): RunPlan {
  return simulatedPlan({ students, isTaught: true, exported: 'taught' });
}

/** Three epochs of a stage whose loss is over the batch of all students, then an export. */
function gatheredPlan(students: number): RunPlan {
  return simulatedPlan({ students, isTaught: false, isGathered: true, exported: 'base' }, 1);
}

/** Three epochs of a mutual stage, then an export of its first peer. */
function cohortPlan(cohort: { readonly peers: number; readonly replicas: number }): RunPlan {
  return simulatedPlan({ students: cohort.peers * cohort.replicas, isTaught: false, cohort, exported: 'base.p0' });
}

function simulatedPlan(options: Pick<CorePlanOptions, 'students' | 'isTaught' | 'isGathered' | 'cohort' | 'exported'>, every = 2): RunPlan {
  return corePlan({
    run: 'simulation',
    size: SIZE,
    rows: 5,
    training: { epochs: 3, batch: 2, every, evaluateEvery: 1, checkpointEvery: 3 },
    ...options,
    timing: {
      ...DEFAULT_TIMING,
      firstRoundMs: 20_000,
      roundFloorMs: 5_000,
      averageMs: 3_000,
      saveMs: 3_000,
      startMs: 5_000,
      failuresMax: 100,
    },
  });
}
