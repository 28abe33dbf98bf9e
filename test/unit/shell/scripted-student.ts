/**
 * A student that speaks the protocol over real sockets and trains nothing: its parameters are a function of the round.
 * It puts real checkpoints, so that a coordinator process can be taken through a whole run without an engine.
 */

import { systemClock } from '../../../src/base/clock.js';
import { asRoundId, type Incarnation, type Term } from '../../../src/base/ids.js';
import { LIMITS } from '../../../src/base/limits.js';
import { putToWire } from '../../../src/checkpoint/checkpoint-wire.js';
import { StillhouseError } from '../../../src/errors/stillhouse-error.js';
import { decodeCoordinatorMessage, encodeControl, SCHEMA_HASH } from '../../../src/protocol/codec.js';
import type { CoordinatorMessage, CoordinatorMessageOf, WorkerMessage } from '../../../src/protocol/control.js';
import { PROTOCOL_VERSION } from '../../../src/protocol/version.js';
import { openDataClient } from '../../../src/rpc/data-client.js';
import { layoutOf } from '../../../src/tensor/state-parts.js';
import type { Dialer } from '../../../src/transport/transport.js';
import { zmqTransport } from '../../../src/transport/zmq-transport.js';
import { UNMEASURED_CALIBRATION, UNMEASURED_LOSS } from '../../support/no-facts.js';
import { sha256, topologyFor } from '../checkpoint/content.js';

type Body<M> = M extends unknown ? Omit<M, 'term' | 'incarnation'> : never;
type Reply = Body<Extract<WorkerMessage, { incarnation: Incarnation }>>;

export interface StudentOptions {
  /** How many rounds it trains; all by default. */
  readonly rounds?: number;
  /** Whether it puts the checkpoints it is asked for. */
  readonly saves?: boolean;
}

export class ScriptedStudent {
  /** Messages of the coordinator, in order. */
  readonly heard: CoordinatorMessage['type'][] = [];
  /** Resolves at coordinator.stop. */
  readonly stopped: Promise<void>;
  #stop: () => void = () => {};
  #dialer: Dialer | null = null;
  #life: { term: Term; incarnation: Incarnation } | null = null;
  #dataEndpoint = '';
  /** The round under way, and how many samples its average contains. */
  #contained = 0;
  #committed = 0;
  #renewals: { cancel(): void } | null = null;
  #wake: () => void = () => {};
  /** So many more rounds are trained. */
  roundsLeft: number;
  readonly #saves: boolean;

  private constructor({ rounds = Number.POSITIVE_INFINITY, saves = true }: StudentOptions) {
    this.roundsLeft = rounds;
    this.#saves = saves;
    this.stopped = new Promise((resolve) => {
      this.#stop = resolve;
    });
  }

  static async connect(endpoint: string, options: StudentOptions = {}): Promise<ScriptedStudent> {
    const student = new ScriptedStudent(options);
    student.#dialer = await zmqTransport.dial({
      endpoint,
      frameBytesMax: LIMITS.controlFrameBytes,
      framesMax: 1,
      queueMax: LIMITS.controlQueue,
      onMessage: (frames) => {
        const decoded = decodeCoordinatorMessage(frames);
        if (!decoded.ok) throw new Error(decoded.detail);
        student.heard.push(decoded.message.type);
        student.#wake();
        void student.#react(decoded.message);
      },
    });
    student.#send({
      type: 'worker.hello',
      protocol: PROTOCOL_VERSION,
      schema: SCHEMA_HASH,
      worker: 'student-1',
      role: 'student',
      peer: null,
      host: 'test',
      pid: process.pid,
    });
    return student;
  }

  /** Resolves when a message of this type has arrived. */
  async hears(type: CoordinatorMessage['type']): Promise<void> {
    while (!this.heard.includes(type)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async close(): Promise<void> {
    this.#renewals?.cancel();
    await this.#dialer?.close();
  }

  async #react(message: CoordinatorMessage): Promise<void> {
    switch (message.type) {
      case 'coordinator.welcome':
        this.#life = { term: message.term, incarnation: message.incarnation };
        this.#dataEndpoint = message.dataEndpoint;
        this.#reply({ type: 'worker.ready', endpoint: 'tcp://127.0.0.1:9', engine: 'cpu' });
        this.#renew(message.renewEveryMs);
        return;
      case 'coordinator.assign':
        return this.#work(message);
      case 'coordinator.average':
        this.#reply({
          type: 'worker.averaged',
          round: asRoundId(message.state.round),
          attempt: message.attempt,
          hash: sha256(parametersOf(message.state.round)),
          contained: this.#contained,
        });
        return;
      case 'coordinator.commit':
        this.#committed = message.committed;
        return;
      case 'coordinator.conclude':
        // A round that it was asked to train it has reported already, and of one that it left alone it has nothing.
        this.#reply({
          type: 'worker.trained',
          round: message.round,
          samples: 0,
          lossSum: 0,
          correct: 0,
          trainMs: 0,
          waitedMs: 0,
          late: {},
          ...UNMEASURED_LOSS,
        });
        return;
      case 'coordinator.save':
        return this.#saves && message.others !== null ? this.#save(message).catch(allowDeadline) : undefined;
      case 'coordinator.stop':
        this.#stop();
        return;
      default:
    }
  }

  #work({ round, base, work }: CoordinatorMessageOf<'coordinator.assign'>): void {
    if (work.kind === 'train' && this.roundsLeft > 0) {
      this.roundsLeft -= 1;
      this.#contained = base.committed + work.roundSamples;
      this.#reply({
        type: 'worker.trained',
        round,
        samples: work.roundSamples,
        lossSum: work.roundSamples * 2,
        correct: 1,
        trainMs: 5,
        waitedMs: 0,
        late: {},
        ...UNMEASURED_LOSS,
      });
    }
    if (work.kind === 'evaluate') {
      const count = work.end - work.start;
      this.#reply({
        type: 'worker.evaluated',
        round,
        correct: Math.floor(count / 2),
        count,
        lossSum: count,
        evaluateMs: 3,
        agreed: {},
        ...UNMEASURED_CALIBRATION,
        parameters: 40,
      });
    }
  }

  async #save({ term, incarnation, state }: CoordinatorMessageOf<'coordinator.save'>): Promise<void> {
    const client = await openDataClient({ transport: zmqTransport, endpoint: this.#dataEndpoint, clock: systemClock });
    const parameters = parametersOf(state.round);
    const ranges = [{ start: 0, end: this.#committed }];
    const hash = sha256(parameters);
    const tensors = new Map([
      ['parameters', parameters],
      ['slots', new Float32Array(0)],
    ]);
    const part = { start: 0, end: parameters.length };
    await client.request(
      {
        type: 'checkpoint.put',
        term,
        incarnation,
        state,
        ranges,
        hash,
        schema: '0'.repeat(64),
        layout: layoutOf(tensors),
        start: part.start,
      },
      putToWire({ tensors, topology: topologyFor(parameters.length) }, part),
      10_000,
    );
    await client.close();
  }

  #renew(everyMs: number): void {
    this.#reply({ type: 'worker.renew', progress: 1, images: 1, busyMs: 1, controlBytes: 10, dataBytes: 20 });
    this.#renewals = systemClock.after(everyMs, () => this.#renew(everyMs), { unref: true });
  }

  #reply(reply: Reply): void {
    if (this.#life !== null) this.#send({ ...reply, ...this.#life } as WorkerMessage);
  }

  #send(message: WorkerMessage): void {
    this.#dialer?.send([encodeControl(message)]);
  }
}

/** A coordinator that was killed answers nothing. */
function allowDeadline(error: unknown): void {
  if (!(error instanceof StillhouseError && error.code === 'transport.deadline')) throw error;
}

/** The parameters that a round's commit makes. */
export function parametersOf(round: number): Float32Array {
  return Float32Array.from({ length: 50 }, (_, i) => Math.cos(i * round));
}
