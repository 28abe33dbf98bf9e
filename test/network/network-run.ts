/**
 * A run of mutual learning over several hosts, started by hand: a coordinator on one host, and the students of both peers on two
 * others. Plays the scheduler too: it starts a worker or a coordinator again that ended before the run did.
 */

import { present } from '../../src/base/assert.js';
import type { RunProcess } from '../support/run-process.js';
import type { RunRoom } from '../support/run-room.js';
import type { FaultCase, Host, Part } from './fault.js';
import { NamespaceNetwork } from './namespace-network.js';

/** Longer than any fault of the matrix together with the recovery from it. */
const WAIT_MS = 300_000;
const STARTS_MAX = 10;

interface Student {
  readonly name: string;
  readonly peer: string;
  readonly host: Host;
}

export class NetworkRun {
  readonly network = new NamespaceNetwork(['coordinator', 'left', 'right']);
  /** The folder of the run. */
  run = '';
  /** The exit codes of all processes that were started, oldest first, by the name of the worker, or `coordinator`. */
  readonly exits = new Map<string, (number | NodeJS.Signals)[]>();
  readonly #room: RunRoom;
  readonly #students: readonly Student[];
  #coordinator: RunProcess | null = null;
  #endpoint = '';
  #isOver = false;
  readonly #ends: Promise<void>[] = [];

  constructor(room: RunRoom, { replicas, apart }: Pick<FaultCase, 'replicas' | 'apart'>) {
    this.#room = room;
    this.#students = Array.from({ length: replicas }, (_, column) =>
      ['big', 'small'].map((peer, row): Student => {
        const isLeft = (apart === 'peers' ? row : column) === 0;
        return { name: `${peer}-${column + 1}`, peer, host: isLeft ? 'left' : 'right' };
      }),
    ).flat();
  }

  /** Starts everything; the students join one after the other, so that the first two are the first column. */
  async start(recipe: object): Promise<void> {
    const address = `tcp://${this.network.addressOf('coordinator')}:*`;
    const coordinator = this.#startCoordinator(this.#room.recipe(recipe), '--listen', address, '--out', this.#room.runs);
    const { endpoint, run } = await coordinator.said('listening');
    this.run = run;
    this.#endpoint = endpoint;
    for (const student of this.#students) {
      this.#watch(student.name, this.#startStudent(student), () => this.#startStudent(student));
      await coordinator.said('worker-joined', ({ worker }) => worker === student.name);
    }
    this.#watch('coordinator', coordinator, () => this.#startCoordinator('--resume', run, '--listen', endpoint));
  }

  /** Resolves when this share of the stage is committed. */
  async committed(share: number): Promise<void> {
    const isReached = ({ stage, committed, samples }: { stage: string; committed: number; samples: number }): boolean =>
      stage === 'pair' && committed > share * samples;
    await present(this.#coordinator, 'a coordinator').said('progress', isReached);
  }

  /** Resolves to the last exit code of each process when all have ended. */
  async end(): Promise<Readonly<Record<string, number | NodeJS.Signals>>> {
    // The end of one may start another.
    for (let ended = 0; ended < this.#ends.length; ended++) await this.#ends[ended];
    return Object.fromEntries([...this.exits].map(([name, codes]) => [name, present(codes.at(-1), name)]));
  }

  pidOf(part: Part, worker: string): number {
    return part === 'coordinator' ? this.#room.coordinator() : this.#room[part](worker);
  }

  /** Nothing is started again any more, and the hosts are removed. */
  close(): void {
    this.#isOver = true;
    this.network.close();
  }

  /** Notes the end of a process, and starts it again unless the run is over. */
  #watch(name: string, process: RunProcess, again: () => RunProcess): void {
    const end = process.exit().then((code) => {
      const codes = [...(this.exits.get(name) ?? []), code];
      this.exits.set(name, codes);
      if (name === 'coordinator') this.#isOver ||= code !== 75;
      if (!this.#isOver && code !== 0 && codes.length < STARTS_MAX) this.#watch(name, again(), again);
    });
    // It is awaited at the end.
    end.catch(() => {});
    this.#ends.push(end);
  }

  #startCoordinator(...args: readonly string[]): RunProcess {
    this.#coordinator = this.#start('coordinator', 'coordinator', ...args, '--json', '--insecure');
    return this.#coordinator;
  }

  #startStudent({ name, peer, host }: Student): RunProcess {
    const own = ['--name', name, '--peer', peer, '--threads', '1', '--listen-host', this.network.addressOf(host)];
    return this.#start(host, 'worker', '--role', 'student', '--coordinator', this.#endpoint, ...own, '--insecure');
  }

  #start(host: Host, ...args: readonly string[]): RunProcess {
    return this.#room.startWith({ launcher: this.network.launcherOf(host), waitMs: WAIT_MS }, ...args);
  }
}
