/**
 * A run whose coordinator is the core and the data store of the real one, and whose students are the engines of a room, in this
 * process. Journal and checkpoints outlive a term, as on disk. Agents are left out: engines get their orders from the core.
 */

import { recover } from '../../../coordinator/core/recovery.js';
import { startRun, stepRun } from '../../../coordinator/core/run.js';
import { DEFAULT_TIMING } from '../../../coordinator/core/timing.js';
import type { RunState } from '../../../coordinator/core/turn.js';
import type { CoreEvent, Effect, JournalRecord, RunPlan } from '../../../coordinator/core/types.js';
import { DataStore } from '../../../coordinator/shell/data-store.js';
import { present } from '../../../src/base/assert.js';
import { asTerm, type Term } from '../../../src/base/ids.js';
import { recipeJson } from '../../../src/config/load.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import type { LogFields } from '../../../src/log/logger.js';
import type { CoordinatorMessage, WorkerMessage } from '../../../src/protocol/control.js';
import type { Report } from '../../../src/protocol/report.js';
import type { StateTensors } from '../../../src/tensor/state-tensors.js';
import type { EngineReport } from '../../../worker/kit/orders.js';
import { feedOf } from '../../support/split-feed.js';
import { type EngineRoom, recorder, type TestEngine } from './engine-room.js';

/** Nobody is late here, however long the machine takes. */
const PATIENT = 600_000;
const TIMING = { ...DEFAULT_TIMING, leaseMs: PATIENT, gatherMs: PATIENT, stopMs: PATIENT, saveMs: PATIENT, checkpointMs: PATIENT };
/** The samples of the room's split `train`, and the rows of `test`. */
const SPLIT_SIZES = { train: 60, test: 20 };

type CommitRecord = Extract<JournalRecord, { type: 'commit' }>;

export interface TermOptions {
  readonly students: number;
  /** None by default. */
  readonly teachers?: number;
  /** Ends the term early, once this holds after a line of the journal. */
  readonly until?: (records: readonly JournalRecord[]) => boolean;
  /** How it ends early; a stop saves first. */
  readonly by?: 'stop' | 'kill';
}

/** The run of one stage of the room. */
export class LedRun {
  readonly records: JournalRecord[] = [];
  readonly reports: Report[] = [];
  /** Lines of the core's log. */
  readonly lines: LogFields[] = [];
  readonly engines: TestEngine[] = [];
  readonly room: EngineRoom;
  /** In the order of the recipe. */
  readonly #stages: readonly string[];
  #term = 0;

  constructor(room: EngineRoom, ...stages: readonly string[]) {
    this.room = room;
    this.#stages = stages;
  }

  /** The commits that no rollback has undone, in order. */
  get commits(): readonly CommitRecord[] {
    let commits: CommitRecord[] = [];
    for (const record of this.records) {
      if (record.type === 'commit') commits.push(record);
      if (record.type === 'rollback') commits = commits.filter(({ committed }) => committed <= record.committed);
    }
    return commits;
  }

  /** Plays a term to its end. Answers the outcome. */
  async term(options: TermOptions): Promise<string> {
    const term = new LedTerm(this, { ...options, plan: this.#plan(options.students), term: asTerm(++this.#term) });
    const outcome = await term.play();
    await Promise.all(this.engines.splice(0).map((engine) => engine.close()));
    return outcome;
  }

  /** The tensors of a peer's last commit, which are stored. */
  async tensors(peer = MODEL_PEER): Promise<StateTensors> {
    const { stage, round } = present(this.commits.at(-1), 'a commit');
    return (await this.room.store.get({ stage, peer, round })).tensors;
  }

  #plan(students: number): RunPlan {
    const { recipe } = this.room;
    const stages = Object.fromEntries(this.#stages.map((name) => [name, present(recipe.stages[name], 'the stage')] as const));
    const led = { ...recipe, stages, workers: { ...recipe.workers, students } };
    return {
      run: 'led',
      term: asTerm(this.#term),
      recipe: led,
      recipeJson: recipeJson(led),
      dataEndpoint: this.room.dataEndpoint,
      digests: { splits: {}, modules: {} },
      given: {},
      guesses: {},
      isForced: false,
      splitSizes: SPLIT_SIZES,
      timing: TIMING,
    };
  }
}

/** One life of the coordinator and of its students. */
class LedTerm {
  readonly #run: LedRun;
  readonly #options: TermOptions & { readonly plan: RunPlan; readonly term: Term };
  readonly #data: DataStore;
  readonly #events: CoreEvent[] = [];
  readonly #opened: Promise<void>[] = [];
  readonly #engines = new Map<string, TestEngine>();
  readonly #roles = new Map<string, 'student' | 'teacher'>();
  #state: RunState | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isEnding = false;
  #isOver = false;
  #end: (outcome: string) => void = () => {};

  constructor(run: LedRun, options: TermOptions & { readonly plan: RunPlan; readonly term: Term }) {
    this.#run = run;
    this.#options = options;
    this.#data = new DataStore({
      term: { term: options.term, requireNewest: () => {} },
      store: run.room.store,
      feed: feedOf(options.plan.recipe.data, options.plan.digests.splits),
      logger: recorder(run.lines, {}),
      onStored: (event) => this.#deliver(event),
      onOver: (error) => {
        throw error;
      },
    });
  }

  async play(): Promise<string> {
    const { room, records } = this.#run;
    const { plan, term, students, teachers = 0 } = this.#options;
    room.answering = (request) => this.#data.answer(request);
    const over = new Promise<string>((resolve) => {
      this.#end = (outcome) => {
        this.#isOver = true;
        if (this.#timer !== null) clearTimeout(this.#timer);
        resolve(outcome);
      };
    });
    const { state, effects } = startRun({ ...plan, term }, recover(records, room.store.list().whole), performance.now());
    this.#state = state;
    this.#perform(effects);
    for (let i = 1; i <= students; i++) this.#hello(`s${i}`, i, 'student');
    for (let i = 1; i <= teachers; i++) this.#hello(`t${i}`, students + i, 'teacher');
    const outcome = await over;
    await Promise.all(this.#opened);
    return outcome;
  }

  #hello(worker: string, pid: number, role: 'student' | 'teacher'): void {
    const message = { type: 'worker.hello', protocol: 2, schema: '', worker, role, peer: null, host: 'h', pid } as const;
    this.#roles.set(worker, role);
    this.#deliver({ type: 'message', connection: worker, message });
  }

  #deliver(event: CoreEvent): void {
    this.#events.push(event);
    if (this.#events.length > 1) return;
    for (let next: CoreEvent | undefined = event; next !== undefined; next = this.#events[0]) {
      if (!this.#isOver) {
        const { state, effects } = stepRun(present(this.#state, 'the state'), next, performance.now());
        this.#state = state;
        this.#perform(effects);
      }
      this.#events.shift();
    }
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (this.#isOver) return;
      if (effect.type === 'journal') this.#write(effect.record);
      if (effect.type === 'send') this.#send(effect.connection, effect.message);
      if (effect.type === 'report') this.#run.reports.push(effect.report);
      if (effect.type === 'log') this.#run.lines.push({ event: effect.event, ...effect.fields });
      if (effect.type === 'retain') void this.#run.room.store.retain(effect.stage, effect.rounds);
      if (effect.type === 'wake') {
        if (this.#timer !== null) clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#deliver({ type: 'tick' }), Math.max(0, effect.atMs - performance.now()));
      }
      if (effect.type === 'finish') this.#end(effect.outcome === 'failed' ? `failed: ${effect.message}` : effect.outcome);
    }
  }

  #write(record: JournalRecord): void {
    const { until, by = 'stop' } = this.#options;
    this.#run.records.push(record);
    if (this.#isEnding || until?.(this.#run.records) !== true) return;
    this.#isEnding = true;
    if (by === 'kill') this.#end('killed');
    else this.#deliver({ type: 'stop', reason: 'a test' });
  }

  #send(connection: string, message: CoordinatorMessage): void {
    this.#data.expect(message);
    // Messages that an agent keeps to itself.
    if (message.type === 'refuse') throw new Error(message.message);
    if (message.type === 'coordinator.renewed' || message.type === 'coordinator.stop') return;
    if (message.type === 'coordinator.welcome') this.#opened.push(this.#open(connection, message.incarnation));
    else this.#engines.get(connection)?.obey(message);
  }

  async #open(connection: string, incarnation: number): Promise<void> {
    const { room } = this.#run;
    const tell = (message: WorkerMessage) => this.#deliver({ type: 'message', connection, message });
    const hear = (report: EngineReport) => {
      // It takes orders only once it is open.
      if (report.type !== 'worker.ready') tell(report);
    };
    const engine = await room.engine(present(this.#roles.get(connection), 'the role'), incarnation, { term: this.#options.term, hear });
    this.#run.engines.push(engine);
    this.#engines.set(connection, engine);
    tell(present(engine.reports[0], 'the report that it is ready'));
  }
}
