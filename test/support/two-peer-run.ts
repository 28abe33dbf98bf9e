/** A run of the coordinator's core whose only stage has two peers, `big` and `small`; the test plays its students. */

import { recover } from '../../coordinator/core/recovery.js';
import { startRun, stepRun } from '../../coordinator/core/run.js';
import { DEFAULT_TIMING } from '../../coordinator/core/timing.js';
import type { RunState } from '../../coordinator/core/turn.js';
import type { CheckpointPart, CoreEvent, Effect, JournalRecord, Recovered } from '../../coordinator/core/types.js';
import { assert, present } from '../../src/base/assert.js';
import { asIncarnation, asRoundId, asTerm } from '../../src/base/ids.js';
import type { StageRecipe } from '../../src/config/schema.js';
import type { CoordinatorMessage, CoordinatorMessageOf, WorkerMessage, WorkerMessageOf } from '../../src/protocol/control.js';
import type { Report } from '../../src/protocol/report.js';
import { corePlan } from './core-plan.js';
import { UNMEASURED_CALIBRATION, UNMEASURED_LOSS } from './no-facts.js';

const term = asTerm(1);

/** The hash that a student reports for the parameters of a round. */
export const hashOf = (peer: string, round: number): string => Buffer.from(`${peer} ${round}`).toString('hex').padEnd(64, '0');

export interface TwoPeerOptions {
  readonly samples?: number;
  readonly every?: number;
  readonly rows?: number;
  readonly replicas?: number;
  readonly left?: Recovered;
  /** The time for a round of training or an evaluation before any was measured, and for an average. */
  readonly deadlineMs?: number;
}

/** Four students, or as many as are asked for, in a run whose only stage has two peers. */
export class TwoPeerRun {
  #state: RunState;
  #effects: Effect[] = [];
  readonly records: JournalRecord[] = [];
  readonly reports: Report[] = [];
  /** The time of the next event. */
  nowMs = 0;

  constructor(
    students: number,
    { samples = 16, every = 1, rows = 2, replicas = 2, left = recover([], []), deadlineMs }: TwoPeerOptions = {},
  ) {
    const training = { epochs: 1, batch: 4, every, evaluateEvery: 1, checkpointEvery: 100 };
    const plan = corePlan({
      run: 'pair',
      size: samples,
      rows,
      training,
      students,
      isTaught: false,
      exported: null,
      timing: deadlineMs === undefined ? DEFAULT_TIMING : { ...DEFAULT_TIMING, firstRoundMs: deadlineMs, averageMs: deadlineMs },
    });
    const { base } = plan.recipe.stages;
    assert(base?.kind === 'train', 'the stage of the plan');
    const peers = { big: {}, small: { model: 'tiny' } };
    const loss = { target: 'mean' as const, temperature: 1, weight: 1, labelSmoothing: 0 };
    const together: StageRecipe = { ...base, kind: 'mutual', peers, replicas, wire: 'full', onLate: 'wait', loss };
    const recipe = { ...plan.recipe, stages: { base: together } };
    this.#state = startRun({ ...plan, recipe }, left, 0).state;
    for (let i = 1; i <= students; i++) this.join(i);
  }

  get round(): number {
    return present(this.#state.stage?.round, 'a round').id;
  }

  get ledger() {
    return present(this.#state.stage, 'a stage').ledger;
  }

  /** The summary with which the run has ended. */
  get summary() {
    return this.#effects.flatMap((effect) => (effect.type === 'finish' ? [effect.summary] : []))[0];
  }

  /** The round of the checkpoint that was asked for with the last event. */
  get checkpointRound() {
    return this.sent('coordinator.save')[0]?.[1].state.round;
  }

  /** The time by which more of the checkpoint under way must be stored. */
  get savingUntilMs() {
    return this.#state.stage?.saving?.deadlineMs;
  }

  get checkpoints() {
    return present(this.#state.stage, 'a stage').checkpoints;
  }

  /** Messages of this type since the last event, with whom they went to. */
  sent<T extends CoordinatorMessage['type']>(type: T): [number, CoordinatorMessageOf<T>][] {
    return this.#effects.flatMap((effect) =>
      effect.type === 'send' && effect.message.type === type
        ? [[Number(effect.connection), effect.message as CoordinatorMessageOf<T>]]
        : [],
    );
  }

  /** The students that have left a round with the last event, each with the reason that it was told. */
  get abandoned(): [number, string][] {
    return this.sent('coordinator.abandon').map(([student, { reason }]) => [student, reason]);
  }

  /** The names of the lines of the log since the last event. */
  get logged(): string[] {
    return this.#effects.flatMap((effect) => (effect.type === 'log' ? [effect.event] : []));
  }

  event(event: CoreEvent): void {
    const { state, effects } = stepRun(this.#state, event, this.nowMs);
    this.#state = state;
    this.#effects = [...effects];
    for (const effect of effects) {
      if (effect.type === 'journal') this.records.push(effect.record);
      if (effect.type === 'report') this.reports.push(effect.report);
    }
  }

  trained(student: number, samples: number, figures: Partial<WorkerMessageOf<'worker.trained'>> = {}): void {
    this.#say(student, {
      type: 'worker.trained',
      round: asRoundId(this.round),
      samples,
      lossSum: 1,
      correct: 0,
      trainMs: 1,
      waitedMs: 0,
      late: {},
      ...UNMEASURED_LOSS,
      ...figures,
      ...this.#life(student),
    });
  }

  averaged(student: number, options: { readonly peer: string; readonly contained: number; readonly attempt?: number }): void {
    const { peer, contained, attempt = 1 } = options;
    const round = asRoundId(this.round);
    this.#say(student, { type: 'worker.averaged', round, attempt, hash: hashOf(peer, round), contained, ...this.#life(student) });
  }

  /** While the round trains: `student` gets no answer from `other`. */
  unreachable(student: number, other: number): void {
    const about = { round: asRoundId(this.round), attempt: 0, replica: asIncarnation(other), message: 'no answer' };
    this.#say(student, { type: 'worker.unreachable', ...about, ...this.#life(student) });
  }

  evaluated(student: number, correct: number, agreed: Readonly<Record<string, number>>): void {
    const figures = { count: 1, correct, lossSum: 1, evaluateMs: 1, agreed, parameters: 40, ...UNMEASURED_CALIBRATION };
    this.#say(student, { type: 'worker.evaluated', round: asRoundId(this.round), ...figures, ...this.#life(student) });
  }

  lost(student: number, message = 'killed'): void {
    this.#say(student, { type: 'worker.lost', code: 'engine.crashed', message, ...this.#life(student) });
  }

  stored(peer: string, round: number, samples: number, slotsOf = Number.POSITIVE_INFINITY): CheckpointPart {
    const ranges = [{ start: 0, end: samples }];
    const checkpoint = { state: { stage: 'base', peer, round }, term, ranges, hash: hashOf(peer, round) };
    this.event({ type: 'checkpoint-stored', checkpoint, slotsOf });
    return checkpoint;
  }

  join(student: number): void {
    const hello = {
      type: 'worker.hello',
      protocol: 2,
      schema: '',
      worker: `s${student}`,
      role: 'student',
      peer: null,
      host: 'h',
      pid: student,
    } as const;
    this.#say(student, hello);
    this.#say(student, { type: 'worker.ready', endpoint: `inproc://${student}`, engine: 'cpu', ...this.#life(student) });
  }

  #life = (student: number) => ({ term, incarnation: asIncarnation(student) });

  #say(student: number, message: WorkerMessage): void {
    this.event({ type: 'message', connection: String(student), message });
  }
}
