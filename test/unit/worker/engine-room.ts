/**
 * Engines in this process, with real models, on the cpu engine if not said otherwise, over the memory transport, and a store of
 * checkpoints in a temporary folder where the coordinator's would be. The test is the coordinator: it sends orders and awaits reports.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../../../src/base/assert.js';
import { systemClock } from '../../../src/base/clock.js';
import { asIncarnation, asRoundId, asTerm, type Incarnation, type Term } from '../../../src/base/ids.js';
import { putFromWire } from '../../../src/checkpoint/checkpoint-wire.js';
import type { CheckpointContent } from '../../../src/checkpoint/read-checkpoint.js';
import { type CheckpointStore, openCheckpointStore } from '../../../src/checkpoint/store.js';
import { recipeJson } from '../../../src/config/load.js';
import { MODEL_PEER } from '../../../src/config/peer.js';
import { type EngineName, type Recipe, recipeSchema } from '../../../src/config/schema.js';
import type { LogFields, Logger } from '../../../src/log/logger.js';
import type { Base, ColumnCell, Contributor, CoordinatorMessageOf, Work } from '../../../src/protocol/control.js';
import type { DataMessage, DataRequest } from '../../../src/protocol/data.js';
import { isSameState, type StateName } from '../../../src/protocol/state-name.js';
import { type DataClient, openDataClient } from '../../../src/rpc/data-client.js';
import { type DataReply, type DataServer, refusal, serveData } from '../../../src/rpc/data-server.js';
import type { WireTensor } from '../../../src/tensor/tensor.js';
import type { FromEngine } from '../../../worker/engine/engine-message.js';
import { type RunningEngine, startEngine } from '../../../worker/engine/start-engine.js';
import type { EngineProgress } from '../../../worker/kit/meter.js';
import type { EngineOrder, EngineReport } from '../../../worker/kit/orders.js';
import { writeIdx } from '../../support/data-files.js';
import { loaderProgram } from '../../support/loader-program.js';
import { createMemoryTransport } from '../../support/memory-transport.js';

/** Ends a request in vain, on a loaded machine too. */
export const PATIENT_MS = 60_000;
export const TERM = asTerm(2);
/** The state that a round of a stage makes. */
export const stateOf = (round: number, stage = 'plain'): StateName => ({ stage, peer: MODEL_PEER, round });
/** Where a stage begins; an assignment puts its own stage in. */
export const INITIAL: Base = { state: stateOf(0), hash: null, committed: 0, sources: [], isStored: false, init: null };

/** An order; a save of the only replica may leave out the rest. */
type Order =
  | (EngineOrder extends infer M ? (M extends unknown ? Omit<M, 'term' | 'incarnation'> : never) : never)
  | Pick<CoordinatorMessageOf<'coordinator.save'>, 'type' | 'state'>;
type ReportOf<T extends EngineReport['type']> = Extract<EngineReport, { type: T }>;

/** A small training recipe on 60 + 20 noise images; `stages` come on top of a stage `plain`, `models` on top of two. */
export function smallRecipe(folder: string, stages: Record<string, unknown> = {}, models: Record<string, unknown> = {}): Recipe {
  const training = { model: 'small', on: 'train', test: 'test', epochs: 2, batch: 8, every: 2 };
  const optimizer = { name: 'adam', rate: 0.01 };
  return recipeSchema.parse({
    name: 'small',
    seed: 11,
    data: {
      format: 'idx',
      path: folder,
      normalise: { mean: [0.5], std: [0.25] },
      splits: { train: { part: 'train' }, test: { part: 'test' } },
    },
    models: { small: { name: 'cnn-student' }, large: { name: 'cnn', options: { channels: '4,8', hidden: 16 } }, ...models },
    stages: {
      plain: { kind: 'train', ...training, optimizer, augment: { cropPadding: 1, flip: true } },
      large: { kind: 'train', ...training, model: 'large', optimizer },
      taught: { kind: 'distil', ...training, teacher: 'large', optimizer, augment: { cropPadding: 1, flip: true }, loss: {} },
      ...stages,
    },
  });
}

export interface EngineOptions {
  readonly term?: Term;
  readonly hear?: (report: EngineReport) => void;
  /** The path of the data on its machine, if it is not the recipe's. */
  readonly data?: string;
  /** The fingerprints of the coordinator's splits; none when left out. */
  readonly splits?: Readonly<Record<string, string>>;
  /** The elements of a state in one message. */
  readonly partElements?: number;
}

/** One engine, as its agent sees it. */
export class TestEngine {
  readonly incarnation: Incarnation;
  readonly reports: EngineReport[] = [];
  /** How its steps run: apart, because that does not come at a time of its own. */
  readonly prepared: ReportOf<'worker.prepared'>[] = [];
  readonly crashes: unknown[] = [];
  readonly progress: EngineProgress[] = [];
  /** Lines of its log. */
  readonly lines: LogFields[] = [];
  readonly #term: Term;
  readonly #hear: (report: EngineReport) => void;
  #running: RunningEngine | null = null;
  #taken = 0;
  #notify: () => void = () => {};

  /** `hear` is called with each report. */
  constructor(incarnation: number, { term = TERM, hear = () => {} }: EngineOptions = {}) {
    this.incarnation = asIncarnation(incarnation);
    this.#term = term;
    this.#hear = hear;
  }

  get endpoint(): string {
    const ready = this.reports.find((report) => report.type === 'worker.ready');
    return present(ready?.type === 'worker.ready' ? ready.endpoint : null, 'the endpoint');
  }

  attach(running: RunningEngine): void {
    this.#running = running;
  }

  readonly onMessage = (message: FromEngine): void => {
    if (message.type === 'engine.progress') this.progress.push(message);
    if (message.type === 'engine.progress' || message.type === 'engine.unusable') return;
    if (message.type === 'engine.opening' || message.type === 'engine.fetching') return;
    this.#hear(message);
    if (message.type === 'worker.prepared') {
      this.prepared.push(message);
      return;
    }
    this.reports.push(message);
    this.#notify();
  };

  readonly onCrash = (error: unknown): void => {
    this.crashes.push(error);
    this.#notify();
  };

  order(order: Order): void {
    const rest = order.type === 'coordinator.save' ? { column: 0, others: [] } : {};
    this.#running?.handle({ ...rest, ...order, term: this.#term, incarnation: this.incarnation } as EngineOrder);
  }

  /** Takes an order as it is. */
  obey(order: EngineOrder): void {
    this.#running?.handle(order);
  }

  assign(round: number, options: { readonly stage?: string; readonly base?: Base; readonly work: Work }): void {
    const { base = INITIAL, stage = base.state.stage, work } = options;
    this.order({ type: 'coordinator.assign', round: asRoundId(round), base: { ...base, state: { ...base.state, stage } }, work });
  }

  train(
    round: number,
    start: number,
    end: number,
    options: {
      readonly stage?: string;
      readonly base?: Base;
      readonly total?: number;
      readonly replicas?: number;
      readonly others?: readonly ColumnCell[];
    } = {},
  ): void {
    const { total = end - start, replicas = 1, others = [], ...rest } = options;
    this.assign(round, {
      ...rest,
      work: {
        kind: 'train',
        column: 0,
        replicas,
        ranges: [{ start, end }],
        roundSamples: total,
        others: [...others],
        row: [],
        measures: false,
      },
    });
  }

  average(round: number, contributors: readonly Contributor[], attempt = 1): void {
    this.order({ type: 'coordinator.average', state: stateOf(round), attempt, contributors: [...contributors] });
  }

  /** Commits; answers the base that it makes. `hash`: null for a row of one. */
  commit(state: StateName, committed: number, hash: string | null = null): Base {
    this.order({ type: 'coordinator.commit', state, hash, committed });
    return { state, hash, committed, sources: [], isStored: false, init: null };
  }

  contributor(samples: number): Contributor {
    return { incarnation: this.incarnation, endpoint: this.endpoint, samples };
  }

  /** The next report that was not taken yet; it must be of this type. */
  async next<T extends EngineReport['type']>(type: T): Promise<ReportOf<T>> {
    while (this.reports.length <= this.#taken) {
      if (this.crashes.length > 0) throw this.crashes[0];
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
    }
    const report = present(this.reports[this.#taken++], 'a report');
    if (report.type !== type) throw new Error(`expected ${type}, got ${JSON.stringify(report)}`);
    return report as ReportOf<T>;
  }

  close(): Promise<void> {
    return this.#running?.close() ?? Promise.resolve();
  }
}

export interface RoomOptions {
  readonly models?: Record<string, unknown>;
  /** The engine that all of the room's processes compute on. */
  readonly engine?: EngineName;
}

export class EngineRoom {
  readonly transport = createMemoryTransport();
  readonly engines: TestEngine[] = [];
  readonly #clients: DataClient[] = [];
  #notify: () => void = () => {};
  folder = '';
  /** Answers the data requests to the coordinator in place of the room. */
  answering: ((request: DataMessage<DataRequest>) => Promise<DataReply>) | null = null;
  /** Hears each data request to the coordinator before it is answered. */
  onRequest: (request: DataRequest) => void = () => {};
  /** Whether the disk is full. */
  isFull = false;
  recipe!: Recipe;
  engineName: EngineName = 'cpu';
  store!: CheckpointStore;
  #server!: DataServer;

  async open(stages: Record<string, unknown> = {}, { models = {}, engine = 'cpu' }: RoomOptions = {}): Promise<this> {
    this.engineName = engine;
    this.folder = await mkdtemp(join(tmpdir(), 'stillhouse-worker-'));
    await writeIdx(join(this.folder, 'data'));
    this.recipe = smallRecipe(join(this.folder, 'data'), stages, models);
    this.store = await openCheckpointStore(join(this.folder, 'checkpoints'));
    const answer = (request: DataMessage<DataRequest>) => {
      this.onRequest(request.header);
      return this.answering?.(request) ?? this.#answer(request);
    };
    this.#server = await serveData({ transport: this.transport, endpoint: 'tcp://127.0.0.1:*', answer });
    return this;
  }

  async engine(role: 'student' | 'teacher', incarnation: number, options: EngineOptions = {}): Promise<TestEngine> {
    const engine = new TestEngine(incarnation, options);
    this.engines.push(engine);
    const running = await startEngine({
      configure: {
        type: 'engine.configure',
        worker: `${role}-${incarnation}`,
        role,
        run: 'small',
        term: options.term ?? TERM,
        incarnation: engine.incarnation,
        recipe: recipeJson(this.recipe),
        digests: { splits: { ...options.splits }, modules: {} },
        dataEndpoint: this.#server.endpoint,
        engine: this.engineName,
        placement: { device: 'cpu', threads: 1 },
        listen: 'tcp://127.0.0.1:*',
        data: options.data ?? null,
        fedBytes: 2 ** 30,
        logFile: null,
      },
      transport: this.transport,
      clock: systemClock,
      logger: recorder(engine.lines, {}),
      loaderProgram: loaderProgram(),
      partElements: options.partElements,
      send: engine.onMessage,
      crash: engine.onCrash,
    });
    engine.attach(running);
    await engine.next('worker.ready');
    return engine;
  }

  get dataEndpoint(): string {
    return this.#server.endpoint;
  }

  /** A peer that asks an engine over the data plane. */
  async client(engine: TestEngine): Promise<DataClient> {
    const client = await openDataClient({ transport: this.transport, endpoint: engine.endpoint, clock: systemClock });
    this.#clients.push(client);
    return client;
  }

  /** Resolves when a checkpoint is on disk. */
  async stored(state: StateName): Promise<CheckpointContent> {
    await this.#until(() => this.store.list().whole.some((checkpoint) => isSameState(checkpoint.state, state)));
    return this.store.get(state);
  }

  async close(): Promise<void> {
    await Promise.all([...this.engines, ...this.#clients].map((part) => part.close()));
    await this.#server.close();
    await rm(this.folder, { recursive: true });
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#notify = resolve;
      });
    }
  }

  async #answer({ header, tensors }: DataMessage<DataRequest>): Promise<DataReply> {
    switch (header.type) {
      case 'checkpoint.put': {
        if (this.isFull) return refusal('failed', 'no space left on device');
        const { term, state, ranges, hash, schema, layout, start } = header;
        const content = putFromWire({ layout, start }, tensors);
        if (typeof content === 'string') throw new Error(content);
        const outcome = await this.store.putPart({ info: { state, term, ranges, hash, schema }, layout, start, ...content });
        if (!outcome.stored) return refusal(outcome.reason, outcome.message);
        this.#notify();
        return { header: { type: 'stored' }, tensors: [] };
      }
      case 'checkpoint.get': {
        const { state, column, start, end } = header;
        if (!this.store.list().whole.some((checkpoint) => isSameState(checkpoint.state, state))) return refusal('missing', state.stage);
        const { info, layout, pieces } = await this.store.getPart(state, { column, start, end });
        const { ranges, hash, schema } = info;
        return {
          header: { type: 'state.answer', state, ranges: [...ranges], hash, schema, layout: [...layout], start },
          tensors: pieces.map(({ name, data }) => ({ name, dtype: 'float32', shape: [data.length], data })),
        };
      }
      case 'topology.get': {
        const stored = this.store.list().whole.find((checkpoint) => checkpoint.state.stage === header.stage);
        if (stored === undefined) return refusal('missing', header.stage);
        const { topology } = await this.store.get(stored.state);
        const tensor: WireTensor = { name: 'topology', dtype: 'uint8', shape: [topology.length], data: topology };
        return { header: { type: 'topology.answer', stage: header.stage, peer: header.peer }, tensors: [tensor] };
      }
      default:
        return refusal('missing', header.type);
    }
  }
}

/** A logger that keeps its lines. */
export function recorder(lines: LogFields[], bindings: LogFields): Logger {
  const write = (event: string, fields?: LogFields) => void lines.push({ event, ...bindings, ...fields });
  return { info: write, warn: write, error: write, child: (more) => recorder(lines, { ...bindings, ...more }) };
}
