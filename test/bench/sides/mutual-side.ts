/**
 * A side of the rows of mutual learning: `mutual-side.js FOLDER ENGINE auto|off HOW DELAY`, FOLDER as written by ../mutual-case.ts. It
 * starts the two peers, each in a process of its own, and hands every order to both at once, so a run takes as long as the slower of
 * them. DELAY: the one-way delay between the two, in milliseconds; 0 for none. This process computes nothing during a run.
 */

import { fileURLToPath } from 'node:url';
import { present } from '../../../src/base/assert.js';
import type { EngineName } from '../../../src/config/schema.js';
import { type DelayProxy, openDelayProxy } from '../delay-proxy.js';
import { exchanges, type MutualHow, PEERS } from '../mutual-case.js';
import { cohortGate } from '../mutual-cohort.js';
import type { AnswerTo, Exchange, Order, ProfileEntry } from '../protocol.js';
import type { GateAnswer } from '../row.js';
import { Side } from '../side.js';
import { type JointProgram, serveSide } from '../side-program.js';

interface CohortSide {
  readonly folder: string;
  readonly engine: EngineName;
  readonly trace: 'auto' | 'off';
  readonly how: MutualHow;
  readonly delayMs: number;
}

const WORDS: Readonly<Record<MutualHow, string>> = {
  ahead: 'in lockstep',
  'at-need': 'in lockstep, asking at the time of need',
  alone: 'without exchanging',
  labels: 'with labels alone',
};

class MutualSide implements JointProgram {
  readonly name: string;
  readonly notes: readonly string[];
  readonly #options: CohortSide;
  readonly #peers: readonly Side[];
  readonly #proxies: readonly DelayProxy[];

  constructor(options: CohortSide, peers: readonly Side[], proxies: readonly DelayProxy[]) {
    const { engine, how, delayMs } = options;
    const steps = [...new Set(peers.map(({ name }) => name))].join(' and ');
    const delay = delayMs === 0 ? '' : `, ${delayMs} ms apart`;
    this.name = `Stillhouse ${engine} ${steps}, two peers ${WORDS[how]}${delay}`;
    this.notes = peers.flatMap(({ notes }, i) => notes.map((note) => `peer ${PEERS[i]} ${note}`));
    this.#options = options;
    this.#peers = peers;
    this.#proxies = proxies;
  }

  /** Peers that do not exchange answer with what they must come to together, and with their own first loss by the labels. */
  async gate(): Promise<GateAnswer> {
    const answers = await this.#ask({ do: 'gate' });
    if (exchanges(this.#options.how)) {
      return { numbers: answers.flatMap(({ numbers }) => numbers), arrays: Object.assign({}, ...answers.map(({ arrays }) => arrays)) };
    }
    const { numbers, arrays } = await cohortGate(this.#options);
    const ofEach = numbers.length / PEERS.length;
    return { arrays, numbers: numbers.map((number, i) => (i % ofEach === 0 ? (answers[i / ofEach]?.numbers[0] ?? Number.NaN) : number)) };
  }

  async run(steps: number): Promise<Exchange | null> {
    const answers = await this.#ask({ do: 'run', steps });
    const traffic = answers.flatMap(({ exchange }) => (exchange === undefined ? [] : [exchange]));
    if (traffic.length === 0) return null;
    const sumOf = (key: keyof Exchange) => traffic.reduce((sum, exchange) => sum + exchange[key], 0);
    return { bytes: sumOf('bytes'), rawBytes: sumOf('rawBytes'), waitedSeconds: sumOf('waitedSeconds') / traffic.length };
  }

  async profile(): Promise<ProfileEntry[]> {
    const answers = await this.#ask({ do: 'profile' });
    return answers.flatMap(({ profile }, i) => profile.map((entry) => ({ ...entry, name: `peer ${PEERS[i]}: ${entry.name}` })));
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.end()));
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }

  /** Ends when both peers have: the next order, which is another round, must not reach one while the other is still in this one. */
  #ask<Name extends Order['do']>(order: Extract<Order, { do: Name }>): Promise<AnswerTo[Name][]> {
    return Promise.all(this.#peers.map((peer) => peer.ask(order)));
  }
}

async function open(): Promise<MutualSide> {
  const [folder, engine, trace, how, delay] = process.argv.slice(2) as [string, EngineName, 'auto' | 'off', MutualHow, string];
  const options = { folder, engine, trace, how, delayMs: Number(delay) };
  const peers = await startPeers(options);
  const proxies: DelayProxy[] = [];
  for (const [i, peer] of peers.entries()) {
    const { endpoint } = present(peers[1 - i], 'the other peer');
    if (endpoint !== null) await peer.ask({ do: 'meet', endpoint: await addressOf(endpoint, options.delayMs, proxies) });
  }
  return new MutualSide(options, peers, proxies);
}

/** Both peers, which are started at the same time. Throws Unusable when one cannot work here; the other one then ends. */
async function startPeers({ folder, engine, trace, how }: CohortSide): Promise<Side[]> {
  const script = fileURLToPath(new URL('./mutual-peer.js', import.meta.url));
  const starts = PEERS.map((peer) =>
    Side.start({
      ...{ label: `peer ${peer}`, command: process.execPath, env: {}, imagesPerStep: 0 },
      args: [script, folder, peer, engine, trace, how],
    }),
  );
  await Promise.allSettled(starts);
  try {
    return await Promise.all(starts);
  } catch (error) {
    for (const start of starts) {
      start.then(
        (peer) => peer.end(),
        () => {},
      );
    }
    throw error;
  }
}

/** The address by which a peer reaches the other one: its own, or that of a proxy before it, which is added to the list. */
async function addressOf(endpoint: string, delayMs: number, proxies: DelayProxy[]): Promise<string> {
  if (delayMs === 0) return endpoint;
  const proxy = await openDelayProxy({ port: Number(new URL(endpoint).port), delayMs });
  proxies.push(proxy);
  return `tcp://127.0.0.1:${proxy.port}`;
}

await serveSide(open);
