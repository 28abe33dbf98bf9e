/**
 * The processes of a run on this machine: one coordinator and its workers. Starts them, starts dead workers again, passes
 * on the request to stop, and ends when the coordinator ends. Knows nothing of recipes.
 *
 * Invariants: when `supervise` resolves, no process that it started is alive. A worker is started only while the
 * coordinator lives and the run goes on. The first signal asks the run to stop, the second one ends everything at once.
 */

import { assertNever } from '../base/assert.js';
import type { Clock, TimerHandle } from '../base/clock.js';
import { ERROR_TABLE, type ErrorCode, EXIT } from '../errors/table.js';
import { type Child, type ChildEnd, describeEnd, startChild } from '../process/child.js';
import { exitCodeOf, type StopSignal } from '../process/signal.js';
import { onStopSignal } from '../process/stop-request.js';
import type {
  CoordinatorArguments,
  CoordinatorToParent,
  ParentToCoordinator,
  ParentToWorker,
  RunSummary,
  WorkerArguments,
} from '../protocol/parent.js';
import type { Outcome } from '../protocol/report.js';
import { endWorkerNow } from './end-worker.js';
import { decideRestart } from './restart-policy.js';
import type { RunView } from './run-view.js';

/** The time from the request to stop to the end of all processes, as promised to the user. */
const STOP_MS = 10_000;
/** Workers get this time to end after they were told that the run is over. */
const WORKER_END_MS = 3_000;

export interface SupervisorOptions {
  readonly coordinator: CoordinatorArguments;
  /** The workers of this machine, without the fields that only the running coordinator knows. */
  readonly workers: readonly Omit<WorkerArguments, 'coordinator' | 'logFile'>[];
  /** The number of times that each worker may be started again. */
  readonly restarts: number;
  readonly view: RunView;
  readonly clock: Clock;
  /** Called when workers can connect. */
  readonly onListening?: (endpoint: string, run: string) => void;
  /** The compiled entries. Only tests pass others. */
  readonly modules?: { readonly coordinator: string; readonly worker: string };
}

export interface RunEnd {
  /** The exit code of the command. */
  readonly code: number;
  /** Null when the coordinator ended early and sent none. */
  readonly summary: RunSummary | null;
  /** The run's folder; null when it was not made, or is gone. */
  readonly run: string | null;
  /** Whether another command can continue the run. */
  readonly isResumable: boolean;
  /** The mend that this needs first, in words; null when there is nothing. */
  readonly mend: string | null;
  /** Whether that works only with --force. */
  readonly needsForce: boolean;
}

interface Worker {
  readonly plan: SupervisorOptions['workers'][number];
  child: Child<never, ParentToWorker> | null;
  restarts: number;
  /** Whether it has ended and is not started again. */
  isGone: boolean;
}

/** Runs the coordinator and its workers to their end. Errors of the run are shown in the view and are in the exit code. */
export function supervise(options: SupervisorOptions): Promise<RunEnd> {
  return new Supervisor(options).run();
}

class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #coordinator: Child<CoordinatorToParent, ParentToCoordinator>;
  readonly #workers: readonly Worker[];
  readonly #timers = new Set<TimerHandle>();
  #endpoint: string | null = null;
  #run: string | null = null;
  #summary: RunSummary | null = null;
  #outcome: Outcome | null = null;
  #error: ErrorCode | null = null;
  /** The mend that the run needs before it goes on after that error. */
  #mend: string | null = null;
  /** The signal that ends the run; null when an error came before it. */
  #signal: StopSignal | null = null;
  #isEnding = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#workers = options.workers.map((plan) => ({ plan, child: null, restarts: 0, isGone: false }));
    const module = options.modules?.coordinator ?? 'coordinator/main.js';
    this.#coordinator = startChild({ module, args: [JSON.stringify(options.coordinator)] });
    this.#coordinator.onMessage((message) => this.#onMessage(message));
  }

  async run(): Promise<RunEnd> {
    const offSignal = onStopSignal({
      clock: this.#options.clock,
      ask: (signal) => this.#onSignal(signal),
      offerForce: () => {
        if (this.#outcome === null) this.#options.view.alert('stopping the run; a second signal (Ctrl-C) stops it at once');
      },
      force: () => this.#killAll(),
      checkpoint: () => this.#coordinator.send({ type: 'checkpoint' }),
    });
    try {
      const end = await this.#coordinator.ended;
      await this.#endWorkers();
      const code = this.#conclude(end);
      const [isResumable, needsForce] = [this.#isResumable(), this.#needsForce()];
      return { code, summary: this.#summary, run: this.#run, isResumable, mend: this.#mend, needsForce };
    } finally {
      for (const timer of this.#timers) timer.cancel();
      offSignal();
    }
  }

  #onMessage(message: CoordinatorToParent): void {
    switch (message.type) {
      case 'listening':
        this.#endpoint = message.endpoint;
        this.#run = message.run;
        this.#options.onListening?.(message.endpoint, message.run);
        for (const worker of this.#workers) this.#startWorker(worker);
        return;
      case 'report':
        if (message.report.type === 'run-ended') {
          this.#outcome = message.report.outcome;
          // The workers know that the run has ended, and end by themselves.
          this.#isEnding = true;
        }
        this.#options.view.report(message.report);
        return;
      case 'summary':
        this.#summary = message.summary;
        return;
      case 'error':
        if (this.#error === null) this.#mend = message.mend;
        this.#onError(message.code, message.message);
        return;
      default:
        assertNever(message, 'message of the coordinator');
    }
  }

  #startWorker(worker: Worker): void {
    if (this.#isEnding || this.#endpoint === null || this.#run === null) return;
    const logFile = `${this.#run}/${worker.plan.name}.log.jsonl`;
    const plan: WorkerArguments = { ...worker.plan, coordinator: this.#endpoint, logFile };
    const module = this.#options.modules?.worker ?? 'worker/main.js';
    const child = startChild<never, ParentToWorker>({ module, args: [JSON.stringify(plan)] });
    worker.child = child;
    child.onExit((end) => {
      worker.child = null;
      this.#onWorkerEnd(worker, end);
    });
  }

  #onWorkerEnd(worker: Worker, end: ChildEnd): void {
    if (this.#isEnding) return;
    const { view, restarts } = this.#options;
    const what = `${worker.plan.name} ended (${describeEnd(end)})`;
    const decision = decideRestart(end, worker.restarts, restarts);
    switch (decision.type) {
      case 'leave':
        worker.isGone = true;
        this.#requireRole(worker.plan.role, 'run.interrupted');
        return;
      case 'restart':
        worker.restarts++;
        // A worker may know before this process that the run has ended: by then it is known here, too.
        this.#later(decision.delayMs, () => {
          if (this.#isEnding) return;
          view.note(`${what}; starting it again (${worker.restarts} of ${restarts})`);
          this.#startWorker(worker);
        });
        return;
      case 'give-up':
        worker.isGone = true;
        view.alert(`${what}; it is not started again: ${decision.why}`);
        this.#requireRole(worker.plan.role, 'worker.exhausted');
        return;
      default:
        assertNever(decision, 'restart decision');
    }
  }

  /** Stops the run when no worker of this role is left: the run would wait forever. */
  #requireRole(role: WorkerArguments['role'], code: ErrorCode): void {
    if (this.#workers.some(({ plan, isGone }) => plan.role === role && !isGone)) return;
    const why = `no ${role} is left`;
    this.#onError(code, `${why}, so the run cannot go on`);
    this.#askToStop(why);
  }

  /**
   * Keeps the first error as the cause of the run's end. 'run.interrupted' is not shown after another error, nor after a
   * signal, because the user knows it then.
   */
  #onError(code: ErrorCode, message: string): void {
    const isNews = code !== 'run.interrupted' || (this.#signal === null && this.#error === null);
    this.#error ??= code;
    if (code === 'run.gone') this.#run = null;
    if (isNews) this.#options.view.fail(code, message);
  }

  #onSignal(signal: StopSignal): void {
    if (this.#error === null) this.#signal = signal;
    this.#askToStop(signal);
  }

  /** Asks for an orderly stop: the coordinator has a checkpoint made and tells the workers. After 10 s everything is killed. */
  #askToStop(reason: string): void {
    this.#isEnding = true;
    this.#coordinator.send({ type: 'stop', reason });
    this.#later(STOP_MS, () => {
      this.#options.view.alert(`the run did not stop within ${STOP_MS / 1000} s; it is stopped at once`);
      this.#killAll();
    });
  }

  #killAll(): void {
    this.#isEnding = true;
    this.#coordinator.kill('SIGKILL');
    for (const { child } of this.#workers) if (child !== null) endWorkerNow(child, this.#options.clock);
  }

  /** Ends the workers after the coordinator has ended. Workers that know of the end get 3 s to end by themselves. */
  async #endWorkers(): Promise<void> {
    this.#isEnding = true;
    const children = this.#workers.flatMap(({ child }) => child ?? []);
    if (!this.#hasConcluded()) this.#killAll();
    for (const child of children) child.send({ type: 'stop', reason: 'the run is over' });
    this.#later(WORKER_END_MS, () => this.#killAll());
    await Promise.all(children.map((child) => child.ended));
  }

  /** Whether the coordinator has reported the end of the run, or an error. */
  #hasConcluded(): boolean {
    return this.#summary !== null || this.#error !== null;
  }

  #conclude(end: ChildEnd): number {
    if (this.#error !== null && this.#signal === null) return ERROR_TABLE[this.#error].exitCode;
    if (this.#outcome === 'failed') return EXIT.failed;
    if (this.#outcome === 'done') return EXIT.done;
    const { view } = this.#options;
    if (!this.#hasConcluded() && this.#signal === null)
      view.fail('run.interrupted', `the coordinator ended unexpectedly (${describeEnd(end)})`);
    // Without a run folder there is nothing to continue, and another try would end the same way.
    if (this.#signal === null) return this.#run === null ? EXIT.failed : EXIT.tryAgain;
    return exitCodeOf(this.#signal);
  }

  #isResumable(): boolean {
    if (this.#run === null || this.#outcome === 'done') return false;
    // With run.busy, another coordinator works on the run. Without the engine, every try ends the same way.
    if (this.#error === 'run.busy' || this.#error === 'engine.unusable') return false;
    if (this.#outcome !== 'failed') return true;
    return this.#error !== null && (ERROR_TABLE[this.#error].retryable || this.#mend !== null || this.#needsForce());
  }

  #needsForce(): boolean {
    return this.#error === 'teacher.atChance';
  }

  #later(delayMs: number, callback: () => void): void {
    const timer = this.#options.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
  }
}
