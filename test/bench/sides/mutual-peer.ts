/**
 * One peer of a side of mutual learning: `mutual-peer.js FOLDER PEER ENGINE auto|off HOW`, FOLDER as written by ../mutual-case.ts. It
 * makes a step as a student does: forward, exchange, backward, and a turn of the event loop.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nextTurn } from '../../../src/base/abortable.js';
import { present } from '../../../src/base/assert.js';
import type { EngineName } from '../../../src/config/schema.js';
import type { StepResult } from '../../../src/step/step-program.js';
import { exchanges, type MutualCase, type MutualHow, type Peer, readMutualCase } from '../mutual-case.js';
import { PeerColumn, type Round } from '../mutual-column.js';
import { gateNumbers, heldBytes, type MutualProgram, openMutualProgram, openUsableEngine } from '../mutual-program.js';
import type { Exchange, ProfileEntry } from '../protocol.js';
import type { GateAnswer } from '../row.js';
import { type JointProgram, serveSide } from '../side-program.js';
import { bytesOf, readBatches, type Samples } from '../training-case.js';

const SIGNAL = new AbortController().signal;
const PROFILED_STEPS = 20;

interface PeerOptions {
  readonly folder: string;
  readonly peer: Peer;
  readonly how: MutualHow;
  readonly description: MutualCase;
  readonly ours: MutualProgram;
  /** Null for a peer that does not exchange. */
  readonly column: PeerColumn | null;
}

class MutualPeer implements JointProgram {
  readonly name: string;
  readonly endpoint?: string;
  notes: readonly string[] = [];
  readonly #options: PeerOptions;
  readonly #batches: readonly Samples[];
  #next = 0;
  /** Milliseconds of the parts of all steps so far, by name. */
  readonly #partsMs = new Map<string, number>();

  /** Makes a first step, without an exchange, to see how it runs: the gate puts back what it changes. */
  constructor(options: PeerOptions) {
    const { description, ours, column } = options;
    this.#options = options;
    this.#batches = readBatches(description);
    this.#alone(this.#nextBatch());
    this.name = present(ours.describe(), 'a notice of how the step runs');
    if (column !== null) this.endpoint = column.endpoint;
  }

  meet(endpoint: string): void {
    this.#options.column?.meet(endpoint);
  }

  /** The labels' loss of the first step; the losses of the first steps, and the parameters after the first. */
  async gate(): Promise<GateAnswer> {
    const { folder, peer, how, ours, description } = this.#options;
    ours.restart();
    this.#next = 0;
    const parameters = join(folder, `gate-${how}-${process.pid}-${peer}.f32`);
    // In one round: a peer that begins the next one no longer answers about the one before, which the other may still ask about.
    const { results } = await this.#steps(description.gateSteps, (done) => {
      if (done === 1) writeFileSync(parameters, bytesOf(ours.program.readParameters()));
    });
    return { numbers: gateNumbers(results), arrays: { [peer]: parameters } };
  }

  async run(steps: number): Promise<Exchange | null> {
    const { column, description } = this.#options;
    const before = column?.bytes() ?? 0;
    const { waitedMs } = await this.#steps(steps);
    if (column === null) return null;
    const rawBytes = steps * description.batch * description.classes * Float32Array.BYTES_PER_ELEMENT;
    return { bytes: column.bytes() - before, rawBytes, waitedSeconds: waitedMs / 1000 };
  }

  /** The mean of some steps, by their parts. */
  async profile(): Promise<ProfileEntry[]> {
    this.#partsMs.clear();
    await this.#steps(PROFILED_STEPS);
    return [...this.#partsMs].map(([name, sumMs]) => ({ name, calls: 1, total: sumMs / PROFILED_STEPS, own: sumMs / PROFILED_STEPS }));
  }

  async close(): Promise<void> {
    await this.#options.column?.close();
  }

  async #steps(
    count: number,
    afterStep: (done: number) => void = () => {},
  ): Promise<{ readonly results: StepResult[]; readonly waitedMs: number }> {
    const round = this.#options.column?.begin(count) ?? null;
    const results: StepResult[] = [];
    while (results.length < count) {
      const batch = this.#nextBatch();
      results.push(round === null ? this.#alone(batch) : await this.#together(batch, round));
      afterStep(results.length);
      await this.#timed('a turn of the event loop', () => nextTurn(SIGNAL));
    }
    return { results, waitedMs: round?.waitedMs ?? 0 };
  }

  async #together({ images, labels, size }: Samples, round: Round): Promise<StepResult> {
    const { program, knobs } = this.#options.ours;
    const own = await this.#timed('forward', () => program.forward(images, size));
    const others = await this.#timed('exchange', () => round.exchange(own.slice(0, 1)));
    return this.#timed('backward', () => program.backward({ labels, other: others }, knobs));
  }

  /** The same work with this peer's own predictions in place of the other's; or a whole step with the labels. */
  #alone(samples: Samples): StepResult {
    const { how, ours } = this.#options;
    const { program, knobs } = ours;
    if (how === 'labels') return program.step({ ...samples, other: [] }, knobs);
    const own = program.forward(samples.images, samples.size);
    return program.backward({ labels: samples.labels, other: own.slice(0, 1) }, knobs);
  }

  async #timed<Result>(part: string, work: () => Result | Promise<Result>): Promise<Result> {
    const startMs = performance.now();
    const result = await work();
    this.#partsMs.set(part, (this.#partsMs.get(part) ?? 0) + performance.now() - startMs);
    return result;
  }

  #nextBatch(): Samples {
    const samples = present(this.#batches[this.#next], 'a batch');
    this.#next = (this.#next + 1) % this.#batches.length;
    return samples;
  }
}

async function open(): Promise<MutualPeer> {
  const [folder, peer, engine, trace, how] = process.argv.slice(2) as [string, Peer, EngineName, 'auto' | 'off', MutualHow];
  const description = readMutualCase(folder);
  await openUsableEngine(engine);
  const loss = how === 'labels' ? 'labels' : 'mutual';
  const ours = await openMutualProgram({ description, peer, engine, trace, loss });
  const column = exchanges(how) ? await PeerColumn.open({ description, peer, asking: how }) : null;
  const program = new MutualPeer({ folder, peer, how, description, ours, column });
  if (column !== null) {
    const held = await heldBytes({ description, peer, isTraced: ours.isTraced() });
    program.notes = [`holds ${(held / 2 ** 20).toFixed(1)} MiB between the halves of a step`];
  }
  return program;
}

await serveSide(open);
