/**
 * The two peers of the rows of mutual learning as a column of cells: one peer's data plane, and its exchange with the other. Both are the
 * product's own, over ZeroMQ, without a coordinator: every run of the bench is a round.
 */

import { present } from '../../src/base/assert.js';
import { systemClock } from '../../src/base/clock.js';
import { asIncarnation, asRoundId, asTerm } from '../../src/base/ids.js';
import type { LogFields } from '../../src/log/logger.js';
import type { AnswerTo, DataMessage, DataRequestBody } from '../../src/protocol/data.js';
import { type DataServer, refusal, serveData } from '../../src/rpc/data-server.js';
import type { Knowledge } from '../../src/tensor/knowledge.js';
import { zmqTransport } from '../../src/transport/zmq-transport.js';
import { type ConnectionRequest, Connections } from '../../worker/kit/connections.js';
import type { EngineContext } from '../../worker/kit/context.js';
import { CellExchange } from '../../worker/student/cell-exchange.js';
import { logitsPart } from '../../worker/student/exchange-use.js';
import type { Asking, MutualCase, Peer } from './mutual-case.js';

export interface ColumnOptions {
  readonly description: MutualCase;
  readonly peer: Peer;
  readonly asking: Asking;
}

/** One round of the exchange. */
export interface Round {
  /** The predictions of the other peer for the next step; `own` are those of this peer. */
  exchange(own: Knowledge): Promise<Knowledge>;
  /** The time that this peer has waited. */
  readonly waitedMs: number;
}

const STAGE = 'together';
/** Nothing cancels a run of the bench. */
const SIGNAL = new AbortController().signal;

export class PeerColumn {
  readonly #options: ColumnOptions;
  readonly #exchange: CellExchange;
  readonly #server: DataServer;
  readonly #connections: AskingConnections;
  readonly #context: EngineContext;
  #other = '';
  #round = 0;

  private constructor(options: ColumnOptions, exchange: CellExchange, server: DataServer) {
    this.#options = options;
    this.#exchange = exchange;
    this.#server = server;
    this.#connections = new AskingConnections(options.asking);
    this.#context = contextOf(this.#connections);
  }

  static async open(options: ColumnOptions): Promise<PeerColumn> {
    const exchange = new CellExchange(systemClock);
    const server = await serveData({
      transport: zmqTransport,
      endpoint: 'tcp://127.0.0.1:*',
      answer: async ({ header }) =>
        header.type === 'knowledge.get' ? exchange.answer(header) : refusal('invalid-message', `a peer does not answer ${header.type}`),
    });
    return new PeerColumn(options, exchange, server);
  }

  get endpoint(): string {
    return this.#server.endpoint;
  }

  /** Sent and received; each byte counts at one of the two peers. */
  bytes(): number {
    return this.#connections.bytes();
  }

  meet(endpoint: string): void {
    this.#other = endpoint;
  }

  /**
   * Begins a round of so many steps. The other peer must begin one of as many. Both must have ended the round before: nobody answers
   * about a round that is over.
   */
  begin(steps: number): Round {
    const { batch, classes } = this.#options.description;
    this.#round += 1;
    const round = asRoundId(this.#round);
    const sizes = Array.from({ length: steps }, () => batch);
    const exchange = this.#exchange.open({
      ...{ context: this.#context, stage: STAGE, peer: this.#options.peer, round, signal: SIGNAL },
      others: [{ peer: otherOf(this.#options.peer), incarnation: asIncarnation(2), endpoint: this.#other, sizes }],
      steps,
      parts: [logitsPart(classes)],
      half: false,
      onLate: 'wait',
    });
    let step = 0;
    const connections = this.#connections;
    return {
      async exchange(own) {
        step += 1;
        connections.need(keyOf({ round, step }));
        const taken = await exchange.exchange(own);
        return present(taken?.[0] ?? null, 'the answer of a peer that was waited for');
      },
      get waitedMs() {
        return exchange.waitedMs;
      },
    };
  }

  async close(): Promise<void> {
    this.#exchange.close();
    await Promise.all([this.#server.close(), this.#connections.close()]);
  }
}

/** Connections that may hold a request back until its answer is needed. */
class AskingConnections extends Connections {
  readonly #isAhead: boolean;
  #needed = '';
  /** The requests that are held back, by step. */
  readonly #held = new Map<string, () => void>();

  constructor(asking: Asking) {
    super(zmqTransport, systemClock);
    this.#isAhead = asking === 'ahead';
  }

  /** The answer about this step is needed now. */
  need(step: string): void {
    this.#needed = step;
    this.#held.get(step)?.();
    this.#held.delete(step);
  }

  override async request<B extends DataRequestBody>(
    endpoint: string,
    request: ConnectionRequest<B>,
  ): Promise<DataMessage<AnswerTo<B['type']>>> {
    const { body } = request;
    if (!this.#isAhead && body.type === 'knowledge.get' && body.about.of === 'step') {
      const step = keyOf(body.about);
      if (step !== this.#needed) await new Promise<void>((resolve) => this.#held.set(step, resolve));
    }
    return super.request(endpoint, request);
  }
}

function keyOf({ round, step }: { readonly round: number; readonly step: number }): string {
  return `${round}.${step}`;
}

function otherOf(peer: Peer): Peer {
  return peer === 'one' ? 'two' : 'one';
}

/** The part of an engine's context that an exchange takes. A failure is told on the standard error, where the bench looks. */
function contextOf(connections: Connections): EngineContext {
  const tell = (event: string, fields?: LogFields) => void process.stderr.write(`error: ${event} ${JSON.stringify(fields)}\n`);
  const context: Pick<EngineContext, 'term' | 'clock' | 'connections' | 'logger' | 'report'> = {
    ...{ term: asTerm(1), clock: systemClock, connections },
    logger: { info() {}, warn: tell, error: tell, child: () => context.logger },
    report: (message) => tell(message.type, message),
  };
  return context as EngineContext;
}
